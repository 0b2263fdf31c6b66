import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { PortsReport, PsReport, StatsReport } from "@cordon/cli"
import { assert, describe } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { image, onEngine, ownedBy, withSession } from "../docker/support.ts"
import { socketPath } from "../support/docker.ts"
import { freshSessionId } from "../support/sandbox.ts"
import { run, startOnTerminal } from "./support.ts"

const host = ["--host", `unix://${socketPath}`]
const cordon = (command: string, ...args: ReadonlyArray<string>) =>
  Effect.promise(() => run([command, ...host, ...args]))
const decode = <S extends Schema.Constraint & { readonly DecodingServices: never }>(
  schema: S,
  text: string,
) => Schema.decodeUnknownSync(Schema.fromJsonString(schema))(text)

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "cordon-cp-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true })),
)

describe("cordon run", () => {
  onEngine(
    "runs a command in a new sandbox, exits with its code, and removes the sandbox with --rm",
    () =>
      Effect.gen(function* () {
        const session = freshSessionId()
        const own = ["--session", session, "--rm", "--network", "none", "-m", "64m"]
        const script = "echo $A; echo err >&2; pwd; exit 7"
        const ended = yield* cordon("run", ...own, "-e", "A=1", "-w", "/tmp", image, script)
        assert.deepStrictEqual(ended, { code: 7, stdout: "1\n/tmp\n", stderr: "err\n" })
        const fed = yield* Effect.promise(() =>
          run(["run", ...host, ...own, "-i", image, "cat", "-"], { stdin: "typed" }),
        )
        assert.deepStrictEqual(fed, { code: 0, stdout: "typed", stderr: "" })
        const missing = yield* cordon("run", ...own, image, "no-such-command", "--help")
        assert.strictEqual(missing.code, 127)
        const folderRun = yield* cordon("run", ...own, image, "/tmp", "-x")
        assert.strictEqual(folderRun.code, 126)
        const refused = yield* cordon("run", ...own, "--network", "host", image, "true")
        assert.strictEqual(refused.code, 125)
        const list = yield* cordon("ps", "--json", "--session", session)
        assert.deepStrictEqual(decode(PsReport, list.stdout), [])
      }),
    300_000,
  )

  onEngine(
    "starts a background sandbox that logs, ps, stop, start and rm act on",
    () =>
      Effect.gen(function* () {
        const session = freshSessionId()
        const of = ["--session", session]
        const detached = ["-d", "--name", `web-${process.pid}`, "--network", "none"]
        const script = "seq 1 5; echo err >&2; exec sleep 4242"
        const made = yield* cordon("run", ...of, ...detached, image, "sh", "-c", script)
        assert.strictEqual(made.code, 0, made.stderr)
        const id = made.stdout.trim()
        const again = yield* cordon("run", ...detached, image)
        assert.strictEqual(again.code, 125)
        assert.match(again.stderr, /a sandbox named "web-\d+" already exists/)
        // It writes when it likes: the last line says that it has.
        const written = cordon("logs", ...of, id).pipe(
          Effect.repeat({ until: ({ stderr }) => stderr.includes("err") }),
        )
        assert.strictEqual((yield* written).stdout, "1\n2\n3\n4\n5\n")
        const tail = yield* cordon("logs", ...of, "-n", "2", id, "main")
        assert.deepStrictEqual(tail, { code: 0, stdout: "5\n", stderr: "err\n" })
        const running = yield* cordon("rm", ...of, id, "no-such-box")
        assert.strictEqual(running.code, 1)
        assert.match(running.stderr, /is running; stop it first, or use -f/)
        assert.match(running.stderr, /There is no sandbox "no-such-box"/)
        assert.strictEqual((yield* cordon("stop", ...of, id)).stdout, `${id}\n`)
        assert.strictEqual((yield* cordon("start", ...of, id)).stdout, `${id}\n`)
        assert.strictEqual((yield* cordon("rm", ...of, "-f", id)).code, 0)
        const left = yield* Effect.promise(() => ownedBy(id))
        assert.deepStrictEqual(left, { containers: 0, networks: 0 })
      }),
    300_000,
  )
})

describe("cordon exec, cp, ports and stats", () => {
  onEngine(
    "pass everything after the name to the command, and give it no standard input without -i",
    () =>
      withSession((session) =>
        Effect.gen(function* () {
          const box = yield* session.create({ network: "none" })
          const shown = yield* cordon("exec", "-eA=-1", box.id, "printenv", "-0", "A")
          assert.deepStrictEqual(shown, { code: 0, stdout: "-1\0", stderr: "" })
          const fed = yield* Effect.promise(() =>
            run(["exec", ...host, box.id, "cat"], { stdin: "nobody's" }),
          )
          assert.deepStrictEqual(fed, { code: 0, stdout: "", stderr: "" })
          const noTerminal = yield* cordon("exec", "-it", box.id, "cat")
          assert.strictEqual(noTerminal.code, 125)
          assert.match(noTerminal.stderr, /not a terminal/)
        }),
      ),
    300_000,
  )

  onEngine(
    "give a command a terminal of the same size, pass Ctrl-C on, and restore the local terminal afterwards",
    () =>
      withSession((session) =>
        Effect.gen(function* () {
          const box = yield* session.create({ network: "none" })
          const script =
            "trap 'stty size' WINCH; trap 'echo interrupted; exit 5' INT; stty size; echo ready; while :; do sleep 0.1; done"
          const terminal = startOnTerminal(["exec", ...host, "-it", box.id, "sh", "-c", script])
          const output = yield* Effect.promise(async () => {
            const [path = ""] = await terminal.shows(/\/dev\/pts\/\d+/)
            await terminal.shows(/30 90[\r\n]+ready/)
            execFileSync("stty", ["-F", path, "cols", "120", "rows", "40"])
            await terminal.shows(/40 120/)
            terminal.type("\x03")
            return terminal.ended
          })
          assert.match(output, /interrupted[\r\n]+ended 5[\r\n]/)
          for (const mode of ["icanon", "echo", "isig"]) {
            assert.match(output, new RegExp(`(?<!-)\\b${mode}\\b`))
          }
        }),
      ),
    300_000,
  )

  onEngine(
    "copy files, folders and archives both ways, and never through a link",
    () =>
      withSession((session) =>
        Effect.gen(function* () {
          const box = yield* session.create({ network: "none" })
          const here = yield* folder
          mkdirSync(join(here, "in/deep"), { recursive: true })
          writeFileSync(join(here, "in/deep/file"), "content")
          yield* cordon("cp", join(here, "in"), `${box.id}:/tmp`)
          yield* cordon("cp", join(here, "in/."), `${box.id}:/tmp/flat`)
          yield* cordon("cp", join(here, "in/deep/file"), `${box.id}:/tmp/other`)
          const inside = yield* cordon(
            "exec",
            box.id,
            `cat /tmp/in/deep/file /tmp/flat/deep/file /tmp/other; ln -s /etc/passwd "$(printf '/tmp/in/\\033[2J')"`,
          )
          assert.strictEqual(inside.stdout, "contentcontentcontent")
          const out = yield* cordon("cp", `${box.id}:/tmp/in`, join(here, "out"))
          assert.strictEqual(out.code, 0)
          // Its name comes from inside.
          assert.match(out.stderr, /^cordon: left out .*2J.*links are not downloaded\n$/)
          assert.notInclude(out.stderr, "\u001b")
          assert.strictEqual(readFileSync(join(here, "out/deep/file"), "utf8"), "content")
          assert.deepStrictEqual(readdirSync(join(here, "out")), ["deep"])
          const archive = yield* cordon("cp", `${box.id}:/tmp/flat`, "-")
          const put = yield* Effect.promise(() =>
            run(["cp", ...host, "-", `${box.id}:/tmp/again`], { stdin: archive.stdout }),
          )
          assert.strictEqual(put.code, 0, put.stderr)
          const again = yield* cordon("exec", box.id, "cat", "/tmp/again/deep/file")
          assert.strictEqual(again.stdout, "content")
          const nothing = yield* cordon("cp", `${box.id}:/no/such`, here)
          assert.strictEqual(nothing.code, 1)
          assert.match(nothing.stderr, /^cordon: There is no file at "\/no\/such"/)
        }).pipe(Effect.scoped),
      ),
    300_000,
  )

  onEngine(
    "show which ports programs listen on, and what resources sandboxes use",
    () =>
      withSession((session) =>
        Effect.gen(function* () {
          const box = yield* session.create({ network: "none" })
          const serve =
            'perl -MIO::Socket::INET -e \'my $s = IO::Socket::INET->new(Listen => 1, LocalAddr => "127.0.0.1", LocalPort => 8123); print "up\\n"; sleep 4242\''
          yield* box.processes.start(serve)
          yield* box.ports.wait(8123)
          assert.strictEqual((yield* cordon("ports", box.id)).stdout, "8123/tcp\n")
          const ports = yield* cordon("ports", "--json", box.id)
          assert.deepStrictEqual(decode(PortsReport, ports.stdout), [8123])
          const table = yield* cordon("stats", "--no-stream", box.id)
          assert.match(table.stdout, /^NAME +CPU +MEMORY +PIDS/)
          assert.include(table.stdout, box.id)
          const [stats] = decode(StatsReport, (yield* cordon("stats", "--json", box.id)).stdout)
          assert.strictEqual(stats?.name, box.name)
          assert.isAbove(stats?.memory ?? 0, 0)
        }),
      ),
    300_000,
  )
})
