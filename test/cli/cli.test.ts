import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DoctorReport, GcReport, PsReport } from "@cordon/cli"
import {
  defaultLimits,
  SandboxDriver,
  SandboxName,
  SessionId,
  sandboxId,
  sessionKey,
} from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Schema } from "effect"
import { image, needing, onEngine, textOf, withSession } from "../docker/support.ts"
import { secondEngine } from "../support/daemon.ts"
import { socketPath } from "../support/docker.ts"
import { freshSessionId } from "../support/sandbox.ts"
import { run, runOnTerminal, start } from "./support.ts"

const host = ["--host", `unix://${socketPath}`]
const nowhere = ["--host", "unix:///nonexistent.sock"]
const decode = <S extends Schema.Constraint & { readonly DecodingServices: never }>(
  schema: S,
  text: string,
) => Schema.decodeUnknownSync(Schema.fromJsonString(schema))(text)

const cordon = (...args: ReadonlyArray<string>) => Effect.promise(() => run(args))
const coloured = "\u001b["

describe("cordon without an engine", { timeout: 300_000 }, () => {
  it("fails, and says what is wrong and what to do", async () => {
    const commands = [["ps"], ["gc"], ["exec", "box", "true"]] as const
    for (const [command, ...rest] of commands) {
      // After the name flags would be the command's, and this would be about another engine.
      const { code, stdout, stderr } = await run([command, ...nowhere, ...rest])
      assert.strictEqual(code, command === "exec" ? 125 : 1, stderr)
      assert.strictEqual(stdout, "")
      assert.match(
        stderr,
        /^cordon: .*unix:\/\/\/nonexistent\.sock does not answer: there is no such socket/,
      )
    }
  })

  it("has its doctor name the missing engine, as text and as JSON", async () => {
    const text = await run(["doctor", ...nowhere])
    assert.strictEqual(text.code, 1)
    assert.match(text.stdout, /^ok +endpoint: .*host option is set$/m)
    assert.match(text.stdout, /^failed +engine: .*no such socket/m)
    assert.match(text.stdout, /Start the engine/)
    const json = await run(["doctor", "--json", ...nowhere])
    assert.strictEqual(json.code, 1)
    const report = decode(DoctorReport, json.stdout)
    assert.strictEqual(report.verdict, "broken")
    assert.deepStrictEqual(
      report.checks.map(({ status }) => status),
      ["ok", "failed"],
    )
    const tcp = await run(["doctor", "--json", "--host", "tcp://user:s3cret@127.0.0.1:1"])
    assert.strictEqual(decode(DoctorReport, tcp.stdout).verdict, "broken")
    assert.notInclude(tcp.stdout + tcp.stderr, "s3cret")
  })

  it("says what it waits for when the engine accepts the connection and never answers", async () => {
    const folder = mkdtempSync(join(tmpdir(), "cordon-silent-"))
    const path = join(folder, "d.sock")
    const server = createServer(() => {}).listen(path)
    const { child, ended } = start(["doctor", "--json", "--host", `unix://${path}`])
    try {
      let said = ""
      for await (const piece of child.stderr) {
        said += String(piece)
        if (said.includes("\n")) break
      }
      assert.match(said, /^cordon: waiting for the engine at .* \.\.\. \(\d+ s\)\n/)
    } finally {
      child.kill("SIGKILL")
      await ended
      server.close()
      rmSync(folder, { recursive: true, force: true })
    }
  })

  it("lists its commands, and refuses unknown ones", async () => {
    const help = await run(["--help"])
    assert.strictEqual(help.code, 0)
    for (const name of ["doctor", "ps", "exec", "gc"]) assert.include(help.stdout, name)
    const wrong = [
      [["nonsense"], /^cordon: Unknown subcommand "nonsense".* See 'cordon --help'\.\n$/],
      [
        ["ps", "--nonsense"],
        /^cordon: Unrecognized flag: --nonsense.* See 'cordon ps --help'\.\n$/,
      ],
      [["exec"], /^cordon: Missing required argument: sandbox.* See 'cordon exec --help'\.\n$/],
    ] as const
    for (const [args, said] of wrong) {
      const { code, stdout, stderr } = await run(args)
      assert.deepStrictEqual([code, stdout], [125, ""])
      assert.match(stderr, said)
    }
    assert.match((await run(["--version"])).stdout, /\d+\.\d+\.\d+/)
  })

  it("prints colours only on a terminal that wants them", async () => {
    const args = ["doctor", ...nowhere]
    // A terminal as a person has it: Node takes CI for one without colours.
    const wanted = {
      NO_COLOR: undefined,
      FORCE_COLOR: undefined,
      CI: undefined,
      TERM: "xterm-256color",
    }
    assert.include(await runOnTerminal(args, wanted), coloured)
    assert.notInclude(await runOnTerminal(args, { ...wanted, NO_COLOR: "1" }), coloured)
    assert.notInclude((await run(args)).stdout, coloured)
  })
})

describe("cordon doctor", () => {
  onEngine(
    "proves on real containers which limits and runtimes work",
    () =>
      Effect.gen(function* () {
        const { code, stdout, stderr } = yield* cordon(
          "doctor",
          "--json",
          "--image",
          image,
          ...host,
        )
        const report = decode(DoctorReport, stdout)
        assert.deepStrictEqual(
          // Profiles before Engine 25 let sandboxes use AF_VSOCK or io_uring, and the doctor warns of it.
          report.checks.filter(
            ({ status, name }) =>
              status !== "ok" &&
              name !== "orphans" &&
              !(name === "system calls" && status === "warning"),
          ),
          [],
          stderr,
        )
        assert.strictEqual(code, 0)
        assert.deepStrictEqual(report.limits, {
          memory: "enforced",
          cpus: "enforced",
          pids: "enforced",
        })
        assert.isTrue(report.runtimes.some(({ runtime, works }) => runtime === "runc" && works))
        assert.isAbove(report.addresses?.free ?? 0, 7000)
        assert.include(
          report.checks.map(({ name }) => name),
          "system calls",
        )
        assert.strictEqual(report.engine?.defaultRuntime, "runc")
        assert.match(report.endpoint?.source ?? "", /host option/)
        const left = decode(PsReport, (yield* cordon("ps", "--json", ...host)).stdout)
        assert.isFalse(left.some(({ name }) => name === "probe"))
      }),
    300_000,
  )

  onEngine("names the missing image in the checks that it skips", () =>
    Effect.gen(function* () {
      const { code, stdout } = yield* cordon("doctor", "--json", "--image", "no/such:1", ...host)
      const report = decode(DoctorReport, stdout)
      assert.strictEqual(code, 0)
      assert.strictEqual(report.verdict, "limping")
      assert.strictEqual(report.limits.memory, "unknown")
      const skipped = report.checks.find(({ status }) => status === "skipped")
      assert.match(skipped?.detail ?? "", /no\/such:1/)
      assert.match(skipped?.mend ?? "", /docker pull/)
    }),
  )

  needing(
    "CORDON_TEST_BUSYBOX_IMAGE",
    "tells a runtime that is registered from one that runs",
    (busybox) =>
      Effect.scoped(
        Effect.gen(function* () {
          const runtimes = { kata: { path: "/no/such/runtime" }, runsc: { path: "runc" } }
          const second = yield* secondEngine({ runtimes }, [busybox])
          const args = ["--json", "--image", busybox, "--host", second.host]
          const { code, stdout } = yield* cordon("doctor", ...args)
          const report = decode(DoctorReport, stdout)
          assert.strictEqual(code, 1)
          assert.strictEqual(report.verdict, "broken")
          const works = Object.fromEntries(
            report.runtimes.map(({ runtime, works }) => [runtime, works]),
          )
          // One does not start, the other is not what its name says.
          assert.deepStrictEqual(works, { runc: true, kata: false, gvisor: false })
          const failed = report.checks.filter(({ status }) => status === "failed")
          assert.isTrue(failed.every(({ mend }) => mend !== undefined))
        }),
      ),
    300_000,
  )
})

describe("cordon ps and exec", () => {
  onEngine(
    "list sandboxes, and run commands in them with input, output and exit code",
    () =>
      withSession((session) =>
        Effect.gen(function* () {
          const box = yield* session.create({ network: "none" })
          const listed = decode(PsReport, (yield* cordon("ps", "--json", ...host)).stdout)
          assert.strictEqual(listed.find(({ id }) => id === box.id)?.status, "running")
          const table = (yield* cordon("ps", ...host)).stdout
          assert.match(table, /^NAME +STATUS +IMAGE/)
          assert.include(table, box.id)
          assert.include((yield* cordon("ps", "-q", ...host)).stdout.split("\n"), box.id)

          const exec = (...args: ReadonlyArray<string>) => cordon("exec", ...host, box.id, ...args)
          const both = yield* exec("echo out; echo err >&2; exit 7")
          assert.deepStrictEqual(both, { code: 7, stdout: "out\n", stderr: "err\n" })
          const argv = yield* exec("--", "printf", "%s|", "-n", "a b", "$HOME")
          assert.deepStrictEqual(argv, { code: 0, stdout: "-n|a b|$HOME|", stderr: "" })
          const bytes = "x".repeat(300_000)
          const fed = yield* Effect.promise(() =>
            run(["exec", "-i", ...host, box.name, "wc -c"], { stdin: bytes }),
          )
          assert.strictEqual(fed.stdout.trim(), String(bytes.length))
          assert.strictEqual((yield* exec("no-such-command")).code, 127)
          const where = yield* cordon(
            "exec",
            ...host,
            "-w",
            "/tmp",
            "-u",
            "65534",
            box.id,
            "pwd; id -u",
          )
          assert.strictEqual(where.stdout, "/tmp\n65534\n")
          const unknown = yield* cordon("exec", ...host, "no-such-box", "true")
          assert.strictEqual(unknown.code, 125)
          assert.match(unknown.stderr, /^cordon: There is no sandbox "no-such-box"/)
        }),
      ),
    300_000,
  )

  onEngine(
    "pass output on as it comes, and end the command inside on Ctrl-C",
    () =>
      withSession((session) =>
        Effect.gen(function* () {
          const box = yield* session.create({ network: "none" })
          const running = start(["exec", ...host, box.id, "echo here; exec sleep 4242"])
          yield* Effect.promise(async () => {
            while (!running.stdout().includes("here\n")) {
              await new Promise((resolve) => setTimeout(resolve, 50))
            }
          })
          const sleeping =
            "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c 'sleep 4242' || true"
          // The search itself holds these words too.
          const before = Number(yield* textOf(box, sleeping))
          running.child.kill("SIGINT")
          const { code } = yield* Effect.promise(() => running.ended)
          assert.strictEqual(code, 130)
          const alive = yield* box.exec(
            "for p in /proc/[0-9]*; do read -r c <$p/comm; [ $c = sleep ] && tr '\\0' ' ' <$p/cmdline; done; true",
          )
          assert.isAtLeast(before, 1)
          assert.notInclude(alive.stdout, "4242")
        }),
      ),
    300_000,
  )
})

describe("cordon gc", () => {
  needing(
    "CORDON_TEST_BUSYBOX_IMAGE",
    "removes abandoned sandboxes and networks, and nothing else",
    (busybox) =>
      Effect.scoped(
        Effect.gen(function* () {
          // An engine of its own: elsewhere other tests' networks would be abandoned, too.
          const second = yield* secondEngine({}, [busybox])
          const driver = yield* Effect.map(Layer.build(docker({ host: second.host })), (context) =>
            Context.get(context, SandboxDriver),
          )
          const session = sessionKey(SessionId.make(freshSessionId()))
          const make = (text: string, removeTimeout: number) => {
            const name = SandboxName.make(text)
            const id = sandboxId(session, name)
            return driver.create({
              id,
              session,
              spec: {
                name,
                image: busybox,
                runtime: "runc",
                limits: { ...defaultLimits, memory: 64 * 1024 ** 2 },
                network: "none",
                lease: { idleTimeout: removeTimeout, removeTimeout },
                env: {},
              },
            })
          }
          const overdue = yield* make("overdue", 1000)
          const kept = yield* make("kept", 600_000)
          const running = yield* make("running", 1000)
          for (const { id } of [overdue, kept]) yield* driver.stop(id)
          yield* Effect.promise(() =>
            second.engine.createNetwork({
              Name: "left-behind",
              Labels: { "dev.cordon.spec": "1" },
            }),
          )
          yield* Effect.promise(() => second.engine.createNetwork({ Name: "foreign" }))
          yield* Effect.sleep("2 seconds")
          const gc = (...more: ReadonlyArray<string>) =>
            Effect.map(
              cordon("gc", "--json", "--older-than", "1 second", ...more, "--host", second.host),
              ({ code, stdout, stderr }) => {
                assert.strictEqual(code, 0, stderr)
                return decode(GcReport, stdout).removed.map(({ kind, name }) => `${kind} ${name}`)
              },
            )
          const expected = [`sandbox ${overdue.id}`, "network left-behind"]
          const doctor = yield* cordon("gc", "--dry-run", "--host", second.host)
          // By default a network that is not ten minutes old may be one that a program holds ready.
          assert.include(doctor.stdout, overdue.id)
          assert.notInclude(doctor.stdout, "left-behind")
          assert.deepStrictEqual(yield* gc("--dry-run"), expected)
          assert.lengthOf(yield* driver.list(session), 3)
          assert.deepStrictEqual(yield* gc(), expected)
          assert.deepStrictEqual(yield* gc(), [])
          assert.sameMembers(
            (yield* driver.list(session)).map(({ id }) => id),
            [kept.id, running.id],
          )
          const networks = yield* Effect.promise(() => second.engine.listNetworks())
          assert.include(
            networks.map(({ Name }) => Name),
            "foreign",
          )
          assert.notInclude(
            networks.map(({ Name }) => Name),
            "left-behind",
          )
          for (const { id } of [kept, running]) yield* driver.remove(id)
        }),
      ),
    300_000,
  )
})
