import { type Allow, publicRegistries } from "@cordon/core"
import type { ToolName } from "@cordon/tools"
import type { DriverName } from "./stage.ts"

/** A call that must fail: the tool, its input, the exact tag, and what the message must say. */
export type WrongInput = readonly [
  tool: ToolName,
  input: unknown,
  tag: string,
  message: RegExp,
  only?: DriverName,
]

const registry = process.env["CORDON_TEST_REGISTRY"]

/** What the settings have to allow for some of the calls to get as far as the engine. */
export const allow: Allow = {
  registries: [...publicRegistries, "localhost:9", ...(registry === undefined ? [] : [registry])],
}

const fields = (names: string) => new RegExp(`Its fields are: ${names}`)

const anyTool: ReadonlyArray<WrongInput> = (
  [
    ["sandbox_create", "name, image, runtime, memory, cpus, pids, network, env, workdir\\.$"],
    [
      "sandbox_exec",
      "sandbox \\(required\\), command \\(required\\), cwd, env, stdin, timeout_seconds\\.$",
    ],
    [
      "sandbox_read_file",
      "sandbox \\(required\\), path \\(required\\), encoding, start_line, end_line, offset, length\\.$",
    ],
    [
      "sandbox_write_file",
      "sandbox \\(required\\), path \\(required\\), content \\(required\\), encoding, mode\\.$",
    ],
    ["sandbox_upload", "sandbox \\(required\\), from \\(required\\), to \\(required\\)\\.$"],
    ["sandbox_download", "sandbox \\(required\\), from \\(required\\), to \\(required\\)\\.$"],
    ["sandbox_list", "status\\.$"],
    ["sandbox_manage", "sandbox \\(required\\), action \\(required\\)\\.$"],
  ] as const
).flatMap(
  ([tool, names]): ReadonlyArray<WrongInput> => [
    [tool, undefined, "InvalidInput", /Expected object, got nothing/],
    [tool, null, "InvalidInput", /Expected object, got null/],
    [tool, 3, "InvalidInput", /Expected object, got number/],
    [tool, "{}", "InvalidInput", /Expected object, got string/],
    [tool, [], "InvalidInput", fields(names)],
    [tool, { no_such_field: 1 }, "InvalidInput", /"no_such_field": there is no such field/],
    [tool, { "a\nb": 1 }, "InvalidInput", fields(names)],
  ],
)

const create: ReadonlyArray<WrongInput> = [
  ["sandbox_create", { name: 5 }, "InvalidInput", /"name": Expected string, got number/],
  ["sandbox_exec", { sandbox: null }, "InvalidInput", /"sandbox": Expected string, got null/],
  ...["", "A", "a b", "-a", "a-", "../x", "a\n", "a".repeat(39), "ä"].map(
    (name): WrongInput => [
      "sandbox_create",
      { name },
      "InvalidInput",
      /"name": Expected 1 to 38 characters: lower-case letters/,
    ],
  ),
  ["sandbox_create", { name: "box" }, "SandboxNameTaken", /^A sandbox named "box" already exists/],
  ...["", "UPPER/Case", "http://x/y", "a b", "image:", "image@sha256:abc", "-x"].map(
    (image): WrongInput => [
      "sandbox_create",
      { image },
      "InvalidInput",
      /"image": Expected an image reference such as ubuntu:24\.04/,
    ],
  ),
  ...(registry === undefined
    ? []
    : [
        [
          "sandbox_create",
          { image: `${registry}/no/such:1` },
          "ImageNotFound",
          /no\/such:1" is neither on the host nor in its registry\. Check the name/,
          "docker",
        ] as const,
      ]),
  [
    "sandbox_create",
    { image: "localhost:9/no/such:1" },
    "ImagePullFailed",
    /^Image "localhost:9\/no\/such:1" could not be pulled: .*Check the host's access/,
    "docker",
  ],
  ...[0, -1, 1, 1.5].map(
    (memory): WrongInput => [
      "sandbox_create",
      { memory },
      "InvalidLimits",
      /^Limit memory is (0|-1|1|1\.5), but must be (at least 16 MiB|a whole number)\.$/,
    ],
  ),
  ...["abc", "", "1 potato", "-2GiB"].map(
    (memory): WrongInput => [
      "sandbox_create",
      { memory },
      "InvalidLimits",
      /^Limit memory is .*, but must be bytes, or a size such as "512MiB" or "2GiB"\.$/,
    ],
  ),
  ...(
    [
      [{ memory: "999TiB" }, /^A memory limit of 1022976 GiB is not allowed.* at most 2 GiB\./],
      [{ cpus: 1e9 }, /^A limit of 1000000000 cores is not allowed.* at most 1 core\./],
      [{ pids: 30_000 }, /^A limit of 30000 processes is not allowed.* at most 256 processes\./],
      [
        { image: "127.0.0.1:1/team/app:1" },
        /^The image "127\.0\.0\.1:1\/team\/app:1" is not allowed.* images of docker\.io, /,
      ],
      [{ image: `sha256:${"0".repeat(64)}` }, /^The image "sha256:0+" is not allowed.*by an ID/],
      [{ image: "cafe" }, /^The image "cafe" is not allowed.*by an ID/],
    ] as const
  ).map(([input, message]): WrongInput => ["sandbox_create", input, "NotAllowed", message]),
  [
    "sandbox_create",
    { memory: true },
    "InvalidInput",
    /"memory": Expected string \| number, got boolean/,
  ],
  [
    "sandbox_create",
    { cpus: 0 },
    "InvalidLimits",
    /^Limit cpus is 0, but must be at least 0\.01 cores\.$/,
  ],
  ["sandbox_create", { cpus: -1 }, "InvalidLimits", /^Limit cpus is -1/],
  ["sandbox_create", { cpus: "2" }, "InvalidInput", /"cpus": Expected .*number, got string/],
  ["sandbox_create", { cpus: Number.NaN }, "InvalidInput", /"cpus"/],
  [
    "sandbox_create",
    { pids: 0 },
    "InvalidLimits",
    /^Limit pids is 0, but must be at least 16 processes\.$/,
  ],
  [
    "sandbox_create",
    { pids: 99.5 },
    "InvalidLimits",
    /^Limit pids is 99\.5, but must be a whole number\.$/,
  ],
  [
    "sandbox_create",
    { runtime: "docker" },
    "InvalidInput",
    /"runtime": Expected "runc" \| "sysbox-runc" \| "kata" \| "gvisor" \| "strongest"/,
  ],
  [
    "sandbox_create",
    { runtime: "kata" },
    "RuntimeUnavailable",
    /^Runtime "kata" is not available on this host, which offers: runc.*\. Choose one of those/,
  ],
  [
    "sandbox_create",
    { network: "host" },
    "InvalidInput",
    /"network": Expected "bridge" \| "internal" \| "none"/,
  ],
  [
    "sandbox_create",
    { env: { "1A": "x" } },
    "InvalidInput",
    /"env": Expected variable names of letters, digits and underscores, got "1A"/,
  ],
  ["sandbox_create", { env: { A: 1 } }, "InvalidInput", /"env\.A": Expected string, got number/],
  ["sandbox_create", { env: { A: "x\0y" } }, "InvalidInput", /NUL/],
  ["sandbox_create", { env: "A=1" }, "InvalidInput", /"env": Expected object, got string/],
  [
    "sandbox_create",
    { workdir: "relative" },
    "InvalidInput",
    /"workdir": Expected an absolute path such as \/workspace/,
  ],
  [
    "sandbox_create",
    { name: "A", runtime: 1, network: 2 },
    "InvalidInput",
    /"name": .*"runtime": .*"network": /,
  ],
]

const exec: ReadonlyArray<WrongInput> = [
  ["sandbox_exec", {}, "InvalidInput", /"sandbox": it is required; "command": it is required/],
  ["sandbox_exec", { sandbox: "box" }, "InvalidInput", /: "command": it is required\. Its fields/],
  [
    "sandbox_exec",
    { sandbox: "box", cmd: "ls" },
    "InvalidInput",
    /"cmd": there is no such field; "command": it is required/,
  ],
  [
    "sandbox_exec",
    { sandbox: "box", command: ["ls"] },
    "InvalidInput",
    /"command": Expected string, got array/,
  ],
  ["sandbox_exec", { sandbox: "box", command: "" }, "InvalidInput", /the command is empty/],
  ["sandbox_exec", { sandbox: "box", command: "  \n" }, "InvalidInput", /the command is empty/],
  ["sandbox_exec", { sandbox: "box", command: "a\0b" }, "InvalidInput", /NUL/],
  [
    "sandbox_exec",
    { sandbox: "box", command: `: ${"x".repeat(131_072)}` },
    "InvalidInput",
    /longer than 128 KiB; write it to a file/,
  ],
  ["sandbox_exec", { sandbox: "box", command: "ls", cwd: "no/such" }, "InvalidPath", /no\/such/],
  ["sandbox_exec", { sandbox: "box", command: "ls", cwd: "file.txt" }, "InvalidPath", /file\.txt/],
  ["sandbox_exec", { sandbox: "box", command: "ls", cwd: "" }, "InvalidPath", /it is empty/],
  [
    "sandbox_exec",
    { sandbox: "box", command: "ls", env: { "A B": "" } },
    "InvalidInput",
    /"env": .*"A B"/,
  ],
  [
    "sandbox_exec",
    { sandbox: "box", command: "ls", stdin: 5 },
    "InvalidInput",
    /"stdin": Expected string, got number/,
  ],
  ...[0, -1, 3601, 1e12].map(
    (timeout_seconds): WrongInput => [
      "sandbox_exec",
      { sandbox: "box", command: "ls", timeout_seconds },
      "InvalidInput",
      /"timeout_seconds": Expected a value between 1 and 3600/,
    ],
  ),
  [
    "sandbox_exec",
    { sandbox: "box", command: "ls", timeout_seconds: "60" },
    "InvalidInput",
    /"timeout_seconds": Expected .*number, got string/,
  ],
]

const read = (input: object) => ({ sandbox: "box", path: "file.txt", ...input })
const readFile: ReadonlyArray<WrongInput> = [
  ["sandbox_read_file", { sandbox: "box" }, "InvalidInput", /: "path": it is required/],
  ["sandbox_read_file", read({ path: "" }), "InvalidPath", /^Path "" can't be used: it is empty/],
  ["sandbox_read_file", read({ path: "a\0b" }), "InvalidPath", /NUL/],
  ["sandbox_read_file", read({ path: "x".repeat(300) }), "InvalidPath", /longer than 255 bytes/],
  [
    "sandbox_read_file",
    read({ path: "no/such" }),
    "FileNotFound",
    /^There is no file at ".*no\/such"\. Check the path/,
  ],
  [
    "sandbox_read_file",
    read({ path: "folder" }),
    "NotAFile",
    /folder" is a directory, not a regular file/,
  ],
  ["sandbox_read_file", read({ path: "file.txt/x" }), "NotADirectory", /file\.txt/],
  [
    "sandbox_read_file",
    read({ path: "binary" }),
    "BinaryFile",
    /is binary or not UTF-8 text\. Read it with "encoding": "base64"/,
  ],
  [
    "sandbox_read_file",
    read({ encoding: "latin1" }),
    "InvalidInput",
    /"encoding": Expected "utf8" \| "base64"/,
  ],
  [
    "sandbox_read_file",
    read({ start_line: 0 }),
    "InvalidInput",
    /"start_line": Expected a value greater than or equal to 1/,
  ],
  [
    "sandbox_read_file",
    read({ start_line: 1.5 }),
    "InvalidInput",
    /"start_line": Expected an integer/,
  ],
  [
    "sandbox_read_file",
    read({ start_line: "1" }),
    "InvalidInput",
    /"start_line": Expected .*number, got string/,
  ],
  [
    "sandbox_read_file",
    read({ start_line: 3, end_line: 2 }),
    "InvalidInput",
    /"end_line" is 2, but must not be before "start_line", which is 3/,
  ],
  [
    "sandbox_read_file",
    read({ start_line: 4 }),
    "InvalidInput",
    /"start_line" is 4, but the file has 3 lines/,
  ],
  [
    "sandbox_read_file",
    read({ start_line: 1, offset: 1 }),
    "InvalidInput",
    /give either start_line and end_line, or offset and length, not both/,
  ],
  [
    "sandbox_read_file",
    read({ start_line: 1, encoding: "base64" }),
    "InvalidInput",
    /are for text; with base64 give offset and length/,
  ],
  [
    "sandbox_read_file",
    read({ offset: -1 }),
    "InvalidInput",
    /"offset": Expected a value greater than or equal to 0/,
  ],
  [
    "sandbox_read_file",
    read({ offset: 9999 }),
    "InvalidInput",
    /"offset" is 9999, but the file has 14 bytes/,
  ],
  [
    "sandbox_read_file",
    read({ length: 0 }),
    "InvalidInput",
    /"length": Expected a value greater than or equal to 1/,
  ],
]

const write = (input: object) => ({ sandbox: "box", path: "new.txt", content: "x", ...input })
const writeFile: ReadonlyArray<WrongInput> = [
  [
    "sandbox_write_file",
    { sandbox: "box", path: "new.txt" },
    "InvalidInput",
    /: "content": it is required/,
  ],
  [
    "sandbox_write_file",
    write({ content: { a: 1 } }),
    "InvalidInput",
    /"content": Expected string, got object/,
  ],
  ["sandbox_write_file", write({ path: "" }), "InvalidPath", /it is empty/],
  ["sandbox_write_file", write({ path: "folder" }), "NotAFile", /folder" is a directory/],
  ["sandbox_write_file", write({ path: "file.txt/x" }), "NotADirectory", /file\.txt/],
  [
    "sandbox_write_file",
    write({ encoding: "base64", content: "no base64!" }),
    "InvalidInput",
    /"content": it is not valid base64/,
  ],
  [
    "sandbox_write_file",
    write({ encoding: "base64", content: "QQ=" }),
    "InvalidInput",
    /"content": it is not valid base64/,
  ],
  [
    "sandbox_write_file",
    write({ encoding: "hex" }),
    "InvalidInput",
    /"encoding": Expected "utf8" \| "base64"/,
  ],
  ...["9", "rwx", "1777", "+x", ""].map(
    (mode): WrongInput => [
      "sandbox_write_file",
      write({ mode }),
      "InvalidInput",
      /"mode": Expected permissions in octal such as "0755"/,
    ],
  ),
  [
    "sandbox_write_file",
    write({ mode: 755 }),
    "InvalidInput",
    /"mode": Expected string, got number/,
  ],
]

const copy = (from: string, to: string) => ({ sandbox: "box", from, to })
const transfer: ReadonlyArray<WrongInput> = [
  [
    "sandbox_upload",
    { sandbox: "box", from: "stored.txt" },
    "InvalidInput",
    /: "to": it is required/,
  ],
  ["sandbox_upload", copy("no/such", "x"), "FileNotFound", /no\/such/],
  ["sandbox_upload", copy("../x", "x"), "InvalidPath", /would leave session storage/],
  [
    "sandbox_upload",
    copy("/etc/passwd", "x"),
    "InvalidPath",
    /paths in session storage are relative/,
  ],
  ["sandbox_upload", copy("stored.txt", ""), "InvalidPath", /it is empty/],
  ["sandbox_upload", copy("stored.txt", "folder"), "NotAFile", /folder" is a directory/],
  ["sandbox_upload", copy("stored", "file.txt"), "NotADirectory", /file\.txt/],
  ["sandbox_download", { sandbox: "box", to: "x" }, "InvalidInput", /: "from": it is required/],
  ["sandbox_download", copy("no/such", "x"), "FileNotFound", /no\/such/],
  ["sandbox_download", copy("", "x"), "InvalidPath", /it is empty/],
  ["sandbox_download", copy("file.txt", "../x"), "InvalidPath", /would leave session storage/],
  [
    "sandbox_download",
    copy("file.txt", "/tmp/x"),
    "InvalidPath",
    /paths in session storage are relative/,
  ],
  ["sandbox_download", copy("file.txt", ""), "InvalidPath", /it is empty/],
  ["sandbox_download", copy("file.txt", "stored"), "NotAFile", /stored" is a directory/],
  [
    "sandbox_download",
    copy("folder", "stored.txt"),
    "NotADirectory",
    /stored\.txt", or a parent of it, is not a folder/,
  ],
  ["sandbox_download", copy("folder", "../x"), "InvalidPath", /would leave session storage/],
]

const listAndManage: ReadonlyArray<WrongInput> = [
  ["sandbox_list", { status: "gone" }, "InvalidInput", /"status": Expected "running" \| "stopped"/],
  ["sandbox_manage", { sandbox: "box" }, "InvalidInput", /: "action": it is required/],
  [
    "sandbox_manage",
    { sandbox: "box", action: "delete" },
    "InvalidInput",
    /"action": Expected "stop" \| "start" \| "remove"/,
  ],
  [
    "sandbox_manage",
    { sandbox: 1, action: "stop" },
    "InvalidInput",
    /"sandbox": Expected string, got number/,
  ],
]

/** Each tool that takes a sandbox, on one that is not there and on one that is stopped. */
const wrongSandbox = (
  [
    ["sandbox_exec", { command: "true" }],
    ["sandbox_read_file", { path: "file.txt" }],
    ["sandbox_write_file", { path: "new.txt", content: "x" }],
    ["sandbox_upload", { from: "stored.txt", to: "x" }],
    ["sandbox_download", { from: "file.txt", to: "x" }],
  ] as const
).flatMap(
  ([tool, input]): ReadonlyArray<WrongInput> => [
    [
      tool,
      { sandbox: "nobody", ...input },
      "SandboxNotFound",
      /^There is no sandbox "nobody" in this session\. Call sandbox_list to see the sandboxes/,
    ],
    [
      tool,
      { sandbox: "halted", ...input },
      "SandboxNotRunning",
      /^Sandbox "halted" is stopped, not running\. Start it with sandbox_manage/,
    ],
  ],
)

export const wrongInputs: ReadonlyArray<WrongInput> = [
  ...anyTool,
  ...create,
  ...exec,
  ...readFile,
  ...writeFile,
  ...transfer,
  ...listAndManage,
  ...wrongSandbox,
  ["sandbox_manage", { sandbox: "nobody", action: "start" }, "SandboxNotFound", /"nobody"/],
  ["sandbox_manage", { sandbox: "nobody", action: "remove" }, "SandboxNotFound", /"nobody"/],
]
