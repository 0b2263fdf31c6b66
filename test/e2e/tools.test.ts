import { docker } from "@cordon/driver-docker"
import { memory } from "@cordon/driver-memory"
import { createTools, type ToolName, type ToolResult } from "@cordon/tools"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { assertFailed, call, ok, onEachDriver, owned, put, stored, textAt } from "./stage.ts"
import { allow, wrongInputs } from "./wrongInputs.ts"

onEachDriver("a coding session", {}, (test, driver) => {
  test("writes, runs, fixes and downloads a program", ({ a, files }) =>
    Effect.gen(function* () {
      const created = yield* ok(a, "sandbox_create", { name: "code", memory: "256MiB", pids: 64 })
      assert.match(String(created["id"]), /^cordon-[0-9a-f]{16}-code$/)
      assert.strictEqual(created["status"], "running")
      assert.deepStrictEqual(created["limits"], { memory: "256 MiB", cpus: 1, pids: 64 })
      const box = { sandbox: "code" }

      const program = (operator: string) =>
        `#!/bin/sh\nawk '{ s = s ${operator} $1 } END { print s }' "$@"\n`
      const check =
        '#!/bin/sh\ngot=$(printf "2\\n3\\n" | sh src/sum.sh)\n[ "$got" = 5 ] || { echo "expected 5, got $got" >&2; exit 1; }\necho passed\n'
      const written = yield* ok(a, "sandbox_write_file", {
        ...box,
        path: "src/sum.sh",
        content: program("-"),
        mode: "0755",
      })
      assert.strictEqual(written["path"], `${created["workdir"]}/src/sum.sh`)
      assert.strictEqual(written["bytes"], program("-").length)
      yield* ok(a, "sandbox_write_file", { ...box, path: "src/check.sh", content: check })

      const failing = yield* ok(a, "sandbox_exec", { ...box, command: "sh src/check.sh" })
      assert.strictEqual(failing["exit_code"], 1)
      assert.strictEqual(failing["stderr"], "expected 5, got -5\n")
      assert.strictEqual(failing.text, "[stderr]\nexpected 5, got -5\n[exit code 1]")

      yield* ok(a, "sandbox_write_file", { ...box, path: "src/sum.sh", content: program("+") })
      const passing = yield* ok(a, "sandbox_exec", {
        ...box,
        command: "sh check.sh 2>&1; sh src/check.sh",
        cwd: ".",
      })
      assert.match(String(passing["stdout"]), /passed\n$/)
      const mode = yield* ok(a, "sandbox_exec", { ...box, command: "stat -c %a src/sum.sh" })
      assert.strictEqual(mode["stdout"], "755\n")
      const read = yield* ok(a, "sandbox_read_file", { ...box, path: "src/sum.sh" })
      assert.strictEqual(read["content"], program("+"))
      assert.strictEqual(read.text, program("+"))
      assert.strictEqual(read["total_lines"], 2)

      yield* put(files, "inputs/one.txt", "1\n2\n")
      yield* put(files, "inputs/deep/two.txt", "40\n")
      const uploaded = yield* ok(a, "sandbox_upload", { ...box, from: "inputs", to: "data" })
      assert.strictEqual(uploaded["files"], 2)
      assert.strictEqual(uploaded["bytes"], 7)
      const processed = yield* ok(a, "sandbox_exec", {
        ...box,
        command:
          'mkdir -p out && sh src/sum.sh data/one.txt data/deep/two.txt > out/total.txt && cat > "out/$NAME.txt"',
        env: { NAME: "from stdin" },
        stdin: "text\n",
      })
      assert.strictEqual(processed.text, "[exit code 0, no output]")
      const downloaded = yield* ok(a, "sandbox_download", { ...box, from: "out", to: "results" })
      assert.strictEqual(downloaded["files"], 2)
      assert.strictEqual(yield* textAt(files, "results/total.txt"), "43\n")
      assert.strictEqual(yield* textAt(files, "results/from stdin.txt"), "text\n")
      yield* ok(a, "sandbox_download", { ...box, from: "out/total.txt", to: "total.txt" })
      assert.strictEqual(yield* textAt(files, "total.txt"), "43\n")

      const listed = yield* ok(a, "sandbox_list", {})
      assert.match(listed.text, /^code: running, .*256 MiB of memory, 1 core, 64 processes/)

      yield* ok(a, "sandbox_manage", { ...box, action: "stop" })
      assertFailed(
        yield* call(a, "sandbox_exec", { ...box, command: "true" }),
        "SandboxNotRunning",
        /^Sandbox "code" is stopped, not running\. Start it with sandbox_manage \{"sandbox": "code", "action": "start"\}/,
      )
      assert.match((yield* ok(a, "sandbox_list", { status: "stopped" })).text, /^code: stopped/)
      assert.match((yield* ok(a, "sandbox_list", { status: "running" })).text, /no such sandboxes/)
      yield* ok(a, "sandbox_manage", { ...box, action: "start" })
      const kept = yield* ok(a, "sandbox_read_file", { ...box, path: "out/total.txt" })
      assert.strictEqual(kept["content"], "43\n")

      const removed = yield* ok(a, "sandbox_manage", { sandbox: created["id"], action: "remove" })
      assert.strictEqual(removed["status"], "removed")
      assertFailed(
        yield* call(a, "sandbox_exec", { ...box, command: "true" }),
        "SandboxNotFound",
        /^There is no sandbox "code" in this session\. Call sandbox_list/,
      )
      assert.deepStrictEqual((yield* ok(a, "sandbox_list", {}))["sandboxes"], [])
      if (driver === "docker") {
        const left = yield* owned(String(created["id"]))
        assert.deepStrictEqual(left, { containers: 0, networks: 0 })
      }
    }))

  test("reports a timeout, and the sandbox stays usable", ({ a }) =>
    Effect.gen(function* () {
      yield* ok(a, "sandbox_create", { name: "slow" })
      const result = yield* ok(a, "sandbox_exec", {
        sandbox: "slow",
        command: "echo started; sleep 600",
        timeout_seconds: 1,
      })
      assert.isTrue(result["timed_out"])
      if (driver === "docker") assert.strictEqual(result["stdout"], "started\n")
      assert.match(
        result.text,
        /\[Killed with its children after 1 s: the timeout\. Give a longer timeout_seconds \(at most 3600\), or run it in the background: nohup/,
      )
      assert.strictEqual(
        (yield* ok(a, "sandbox_exec", { sandbox: "slow", command: "echo on" })).text,
        "on",
      )
      yield* ok(a, "sandbox_manage", { sandbox: "slow", action: "remove" })
    }))

  test("cuts long output in the middle and says how to get the rest", ({ a }) =>
    Effect.gen(function* () {
      yield* ok(a, "sandbox_create", { name: "loud" })
      const result = yield* ok(a, "sandbox_exec", {
        sandbox: "loud",
        command: "seq 1 20000; echo small >&2",
      })
      assert.isTrue(result["truncated"])
      const stdout = String(result["stdout"])
      assert.match(stdout, /^1\n2\n/)
      assert.match(stdout, /\n20000\n$/)
      assert.include(stdout, "[... 78894 bytes cut ...]")
      assert.isBelow(stdout.length, 30_100)
      assert.strictEqual(result["stderr"], "small\n")
      assert.match(
        result.text,
        /\[stdout was 108,894 bytes; 78,894 in its middle were cut\. For all of it redirect it to a file/,
      )
      yield* ok(a, "sandbox_manage", { sandbox: "loud", action: "remove" })
    }))

  const noProcesses =
    driver === "memory" ? "the in-memory interpreter has no background processes" : undefined
  test(
    "leaves what was started with nohup running",
    ({ a }) =>
      Effect.gen(function* () {
        yield* ok(a, "sandbox_create", { name: "server" })
        const box = { sandbox: "server" }
        const started = yield* ok(a, "sandbox_exec", {
          ...box,
          command: "nohup sh -c 'echo up; mkfifo go; read x < go; echo $x' > out.log 2>&1 &",
        })
        assert.strictEqual(started["exit_code"], 0)
        yield* ok(a, "sandbox_exec", {
          ...box,
          command:
            "until [ -p go ]; do sleep 0.05; done; echo done > go; until grep -q done out.log; do sleep 0.05; done",
          timeout_seconds: 30,
        })
        assert.strictEqual(
          (yield* ok(a, "sandbox_read_file", { ...box, path: "out.log" }))["content"],
          "up\ndone\n",
        )
        yield* ok(a, "sandbox_manage", { ...box, action: "remove" })
      }),
    noProcesses,
  )

  const noLimits = driver === "memory" ? "the in-memory interpreter has no memory limit" : undefined
  test(
    "reports a kill at the memory limit",
    ({ a }) =>
      Effect.gen(function* () {
        yield* ok(a, "sandbox_create", { name: "hungry", memory: "32MiB" })
        const result = yield* ok(a, "sandbox_exec", {
          sandbox: "hungry",
          command: "head -c 200000000 /dev/zero | tail",
        })
        assert.match(
          result.text,
          /\[A process was killed at the sandbox's memory limit of 32 MiB\. Use less memory/,
        )
        yield* ok(a, "sandbox_manage", { sandbox: "hungry", action: "remove" })
      }),
    noLimits,
  )

  test("reads a large file in parts, and a binary file as base64", ({ a, files }) =>
    Effect.gen(function* () {
      yield* ok(a, "sandbox_create", { name: "reader" })
      const box = { sandbox: "reader" }
      const text = Array.from({ length: 4000 }, (_, n) => `line ${n + 1} – ünïcödé\n`).join("")
      yield* put(files, "big.txt", text)
      yield* ok(a, "sandbox_upload", { ...box, from: "big.txt", to: "big.txt" })
      let byLines = ""
      for (let start: unknown = 1; start !== undefined; ) {
        const part = yield* ok(a, "sandbox_read_file", {
          ...box,
          path: "big.txt",
          start_line: start,
        })
        assert.strictEqual(part["total_lines"], 4000)
        assert.isAtMost(Buffer.byteLength(String(part["content"])), 30_000)
        byLines += part["content"]
        start = part["next_line"]
        if (start !== undefined)
          assert.match(part.text, new RegExp(`Read on with start_line ${start}\\.\\]$`))
      }
      assert.strictEqual(byLines, text)
      let byBytes = ""
      for (let offset: unknown = 0; offset !== undefined; ) {
        const part = yield* ok(a, "sandbox_read_file", { ...box, path: "big.txt", offset })
        byBytes += part["content"]
        offset = part["next_offset"]
      }
      assert.strictEqual(byBytes, text)

      const binary = Uint8Array.from({ length: 50_000 }, (_, n) => (n * 7919) % 256)
      yield* ok(a, "sandbox_write_file", {
        ...box,
        path: "bin",
        content: Buffer.from(binary).toString("base64"),
        encoding: "base64",
      })
      let base64 = ""
      for (let offset: unknown = 0; offset !== undefined; ) {
        const part = yield* ok(a, "sandbox_read_file", {
          ...box,
          path: "bin",
          encoding: "base64",
          offset,
        })
        base64 += part["content"]
        offset = part["next_offset"]
      }
      assert.strictEqual(base64, Buffer.from(binary).toString("base64"))
      assertFailed(
        yield* call(a, "sandbox_read_file", { ...box, path: "bin" }),
        "BinaryFile",
        /^"bin" \(50000 bytes\) is binary or not UTF-8 text\. Read it with "encoding": "base64"/,
      )
      yield* ok(a, "sandbox_manage", { ...box, action: "remove" })
    }))
})

onEachDriver("two sessions", {}, (test) => {
  test("can't see or use each other's sandboxes", ({ a, b }) =>
    Effect.gen(function* () {
      const mine = yield* ok(a, "sandbox_create", { name: "mine" })
      yield* ok(a, "sandbox_write_file", { sandbox: "mine", path: "secret", content: "a's" })
      const id = String(mine["id"])
      const crafted = [
        "mine",
        id,
        "../mine",
        "./mine",
        `../${id}`,
        `/${id}`,
        `${id}/`,
        "MINE",
        id.toUpperCase(),
        "mine\n",
        `${id}\n`,
        "",
        " mine",
        "mine ",
        "*",
        "mine%00",
        "mine\0",
        id.replace(/-mine$/, ""),
        id.slice(0, 20),
        "mi",
        "m*",
        "name=mine",
      ]
      for (const sandbox of crafted) {
        const attempts: ReadonlyArray<[ToolName, Record<string, unknown>]> = [
          ["sandbox_exec", { command: "cat secret" }],
          ["sandbox_read_file", { path: "secret" }],
          ["sandbox_write_file", { path: "secret", content: "b's" }],
          ["sandbox_upload", { from: ".", to: "." }],
          ["sandbox_download", { from: "secret", to: "stolen" }],
          ["sandbox_manage", { action: "stop" }],
          ["sandbox_manage", { action: "start" }],
          ["sandbox_manage", { action: "remove" }],
        ]
        for (const [name, input] of attempts) {
          assertFailed(
            yield* call(b, name, { sandbox, ...input }),
            "SandboxNotFound",
            /^There is no sandbox ".*" in this session/,
            `${name} ${JSON.stringify(sandbox)}`,
          )
        }
      }
      assert.deepStrictEqual((yield* ok(b, "sandbox_list", {}))["sandboxes"], [])

      // The same name is another sandbox in another session.
      const theirs = yield* ok(b, "sandbox_create", { name: "mine" })
      assert.notStrictEqual(theirs["id"], id)
      yield* ok(b, "sandbox_write_file", { sandbox: "mine", path: "secret", content: "b's" })
      yield* ok(b, "sandbox_manage", { sandbox: "mine", action: "remove" })
      assert.strictEqual(
        (yield* ok(a, "sandbox_read_file", { sandbox: id, path: "secret" }))["content"],
        "a's",
      )
      assert.match((yield* ok(a, "sandbox_list", {})).text, /^mine: running/)
      yield* ok(a, "sandbox_manage", { sandbox: "mine", action: "remove" })
    }))
})

const show = (input: unknown) => JSON.stringify(input)?.slice(0, 80) ?? "undefined"

onEachDriver("wrong inputs", { allow }, (test, driver) => {
  test("setup: two sandboxes, one of them stopped", ({ a, files }) =>
    Effect.gen(function* () {
      yield* ok(a, "sandbox_create", { name: "box" })
      yield* ok(a, "sandbox_create", { name: "halted" })
      yield* ok(a, "sandbox_manage", { sandbox: "halted", action: "stop" })
      const file = { sandbox: "box", path: "file.txt", content: "one\ntwo\nthree\n" }
      yield* ok(a, "sandbox_write_file", file)
      yield* ok(a, "sandbox_write_file", { ...file, path: "folder/inner.txt" })
      const bytes = Buffer.from([0x89, 0x50, 0, 0xff]).toString("base64")
      yield* ok(a, "sandbox_write_file", {
        ...file,
        path: "binary",
        content: bytes,
        encoding: "base64",
      })
      yield* put(files, "stored.txt", "stored")
      yield* put(files, "stored/inner.txt", "stored")
    }))

  for (const [tool, input, tag, message, only = driver] of wrongInputs) {
    if (only !== driver) continue
    test(`${tool} ${show(input)} fails with ${tag}`, ({ a, files }) =>
      Effect.gen(function* () {
        assertFailed(yield* call(a, tool, input), tag, message, tool)
        // Nothing came of it, neither here nor there.
        const { sandboxes } = yield* ok(a, "sandbox_list", {})
        assert.isTrue(Array.isArray(sandboxes) && sandboxes.length === 2)
        assert.deepStrictEqual(yield* stored(files), ["stored", "stored/inner.txt", "stored.txt"])
      }))
  }

  test("have changed no file and no sandbox", ({ a }) =>
    Effect.gen(function* () {
      const found = yield* ok(a, "sandbox_exec", {
        sandbox: "box",
        command: "find . -type f | sort",
      })
      assert.strictEqual(found.text, "./binary\n./file.txt\n./folder/inner.txt")
      const [box] = (yield* ok(a, "sandbox_list", {})).text.split("\n")
      assert.match(box ?? "", /^box: running/)
      if (driver === "docker") {
        const { id } = yield* ok(a, "sandbox_create", { name: "third" })
        const left = yield* owned(String(id))
        assert.deepStrictEqual(left, { containers: 3, networks: 3 })
      }
    }))
})

onEachDriver("the quota", { maxSandboxes: 1 }, (test) => {
  test("gives an error that says what to do", ({ a }) =>
    Effect.gen(function* () {
      yield* ok(a, "sandbox_create", { name: "only" })
      assertFailed(
        yield* call(a, "sandbox_create", {}),
        "QuotaExceeded",
        /^The limit of 1 sandboxes of a session is reached\. Remove one that is no longer needed with sandbox_manage/,
      )
    }))
})

describe("the Promise face", () => {
  it("runs the same tools, and an aborted call ends its command", async () => {
    await using toolset = createTools({ driver: memory() })
    const { byName, tools } = toolset
    assert.strictEqual(tools.length, 8)
    const created = await byName.sandbox_create.execute({ name: "box" })
    assert.isTrue(created.ok, created.text)
    const controller = new AbortController()
    const reason = new Error("no longer wanted")
    const running = byName.sandbox_exec.execute(
      { sandbox: "box", command: "sleep 600" },
      { signal: controller.signal },
    )
    controller.abort(reason)
    await running.then(
      () => assert.fail("it was not aborted"),
      (error: unknown) => assert.strictEqual(error, reason),
    )
    assert.strictEqual(
      (await byName.sandbox_exec.execute({ sandbox: "box", command: "echo on" })).text,
      "on",
    )
  })

  it("reports an unreachable engine in every tool", async () => {
    await using toolset = createTools({ driver: docker({ host: "unix:///nonexistent.sock" }) })
    const box = { sandbox: "box" }
    const inputs: Readonly<Record<ToolName, unknown>> = {
      sandbox_create: {},
      sandbox_exec: { ...box, command: "true" },
      sandbox_read_file: { ...box, path: "a" },
      sandbox_write_file: { ...box, path: "a", content: "" },
      sandbox_upload: { ...box, from: "a", to: "a" },
      sandbox_download: { ...box, from: "a", to: "a" },
      sandbox_list: {},
      sandbox_manage: { ...box, action: "start" },
    }
    for (const tool of toolset.tools) {
      const result: ToolResult = await toolset.byName[tool.name].execute(inputs[tool.name])
      assertFailed(
        result,
        "EngineUnreachable",
        /^The container engine does not answer\. No tool can fix this: tell the user that .*doctor.* log\.$/,
        tool.name,
      )
    }
  })

  it("rejects invalid settings and drivers", async () => {
    assert.throws(() => createTools({ driver: memory(), maxSandboxes: -1 }), /maxSandboxes/)
    await using badHost = createTools({ driver: docker({ host: "tcp://example.com:2375" }) })
    assertFailed(
      await badHost.byName.sandbox_list.execute({}),
      "EngineUnreachable",
      /^The container engine does not answer/,
    )
    await using badSession = createTools({ driver: memory(), sessionId: "" })
    assertFailed(
      await badSession.byName.sandbox_list.execute({}),
      "InvalidInput",
      /^The sandboxes could not be set up \(InvalidInput\)\. No tool can fix this/,
    )
  })
})
