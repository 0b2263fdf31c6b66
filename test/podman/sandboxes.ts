import { DoctorReport } from "@cordon/cli"
import { type Sandbox, Sandboxes, type SandboxSession, type SettingsInput } from "@cordon/core"
import { type DockerOptions, docker } from "@cordon/driver-docker"
import { assert, describe, it } from "@effect/vitest"
import Dockerode from "dockerode"
import { Effect, Fiber, Layer, Schema, Stream } from "effect"
import { run } from "../cli/support.ts"
import { textOf } from "../docker/support.ts"
import { noPodman, podman } from "../support/podman.ts"
import { freshSessionId } from "../support/sandbox.ts"
import { skipped } from "../support/skipped.ts"

const { host, image, ulimits } = podman
const engine = new Dockerode({ socketPath: host.replace("unix://", "") })
const options = { host, ulimits, subnetPool: "10.214.0.0/16" }

const onPodman = <E>(
  name: string,
  body: (session: SandboxSession, sandboxes: Sandboxes["Service"]) => Effect.Effect<unknown, E>,
  settings: SettingsInput = {},
  driver: DockerOptions = {},
) =>
  noPodman === undefined
    ? it.live(name, () =>
        Effect.gen(function* () {
          const sandboxes = yield* Sandboxes
          yield* body(yield* sandboxes.session(freshSessionId()), sandboxes)
        }).pipe(
          Effect.provide(
            Sandboxes.layer({ image, ...settings }).pipe(
              Layer.provide(docker({ ...options, ...driver })),
            ),
          ),
          Effect.scoped,
        ),
      )
    : skipped(name, noPodman)

describe("Podman", { timeout: 300_000 }, () => {
  onPodman("isolates sandboxes from each other on networks with internet access", (session) =>
    Effect.gen(function* () {
      const [one, two] = yield* Effect.all([session.create(), session.create()])
      const { NetworkSettings } = yield* Effect.promise(() =>
        engine.getContainer(two.info.instanceId).inspect(),
      )
      const [[network = "", { IPAddress, Gateway } = { IPAddress: "", Gateway: "" }] = []] =
        Object.entries(NetworkSettings.Networks)
      assert.match(network, /^cordon-net-/)
      assert.match(IPAddress, /^10\.214\./)
      // A closed port of a host that can be reached answers at once: refused is reached.
      const answer = (from: Sandbox, address: string) =>
        textOf(from, `timeout 5 bash -c 'echo >/dev/tcp/${address}/9' 2>&1 || true`)
      assert.match(yield* answer(two, IPAddress), /refused/i)
      assert.match(yield* answer(one, Gateway), /refused/i)
      assert.notMatch(yield* answer(one, IPAddress), /refused/i)

      yield* Effect.all([one.remove, two.remove])
      const left = Effect.promise(() => engine.listNetworks())
      for (;;) {
        // They are removed behind the caller's back.
        if (!(yield* left).some(({ Name }) => Name === network)) break
        yield* Effect.sleep("200 millis")
      }
    }),
  )

  onPodman(
    "gives a sandbox on an internal network no network at all",
    (session) =>
      Effect.gen(function* () {
        const sandbox = yield* session.create()
        assert.strictEqual(sandbox.info.network, "internal")
        assert.strictEqual(yield* textOf(sandbox, "ls /sys/class/net"), "lo")
      }),
    { network: "internal" },
  )

  onPodman("loses nothing of a command that leaves its input unread", (session) =>
    Effect.gen(function* () {
      const sandbox = yield* session.create()
      const stdin = Stream.forever(Stream.succeed(Buffer.alloc(256 * 1024, "0123456789abcdef")))
      for (let turn = 0; turn < 10; turn++) {
        const ran = yield* sandbox.exec("head -c 5; printf '\\036' >&2; exit 3", { stdin })
        assert.deepStrictEqual([ran.stdout, ran.stderr, ran.exitCode], ["01234", "\x1e", 3])
      }
      const killed = yield* sandbox.exec("kill -9 $$", { stdin })
      assert.deepStrictEqual([killed.exitCode, killed.stderr], [137, ""])
    }),
  )

  onPodman("gives no capability to a user other than root", (session) =>
    Effect.gen(function* () {
      const effective = (sandbox: Sandbox, user: string) =>
        Effect.map(sandbox.run("grep CapEff /proc/self/status", { user }), ({ stdout }) =>
          Number.parseInt(stdout.replace("CapEff:", ""), 16),
        )
      const user = "1234:1234"
      const plain = yield* session.create({ user, workdir: "/home/somebody/work" })
      for (const who of [user, "1234", "99:99"]) {
        assert.strictEqual(yield* effective(plain, who), 0, who)
      }
      yield* plain.files.write("own", "mine")
      assert.strictEqual(yield* textOf(plain, "stat -c %u . own"), "1234\n1234")
      const rooted = yield* session.create()
      // CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID.
      assert.strictEqual(yield* effective(rooted, "0"), 0xfb)
      assert.strictEqual(yield* effective(rooted, user), 0)
    }),
  )

  onPodman("lists the features it lacks, and refuses them", (session, sandboxes) =>
    Effect.gen(function* () {
      const { features, runtimes, host, caveats } = yield* sandboxes.capabilities
      assert.match(host, /^Podman \d/)
      assert.notInclude(features, "egress")
      assert.deepStrictEqual(
        runtimes.map(({ runtime }) => runtime),
        ["runc"],
      )
      assert.isTrue(caveats.some((caveat) => caveat.startsWith("Podman:")))
      const egress = { allow: ["example.org"] }
      assert.strictEqual((yield* Effect.flip(session.create({ egress })))._tag, "Unsupported")
      const gvisor = yield* Effect.flip(session.create({ runtime: "gvisor" }))
      assert.strictEqual(gvisor._tag, "RuntimeUnavailable")
      assert.deepStrictEqual(yield* session.list, [])
    }),
  )

  onPodman("reports a kill at the memory limit, and no other kill as one", (session) =>
    Effect.gen(function* () {
      const sandbox = yield* session.create({ limits: { memory: "64MiB" } })
      const killed = () => sandbox.exec("kill -KILL $$")
      assert.isFalse((yield* killed()).oomKilled)
      for (let times = 0; times < 2; times++) {
        const struck = yield* sandbox.exec("tail -n 1 < /dev/zero; exit $?")
        assert.strictEqual(struck.exitCode, 137)
        assert.isTrue(struck.oomKilled)
      }
      assert.isFalse((yield* killed()).oomKilled)
    }),
  )

  onPodman("does not mistake a command's failure for its own", (session) =>
    Effect.gen(function* () {
      const sandbox = yield* session.create()
      for (const text of ["rpc error: x", "Error: runc: x", "unable to find user x", "plain"]) {
        const said = yield* sandbox.exec(["sh", "-c", 'echo "$1" >&2; exit 126', "sh", text])
        assert.strictEqual(said.exitCode, 126)
        assert.strictEqual(said.stderr, `${text}\n`)
      }
      const nobody = yield* Effect.flip(sandbox.exec("true", { user: "nosuch" }))
      assert.strictEqual(nobody._tag, "InvalidInput")
      assert.strictEqual((yield* sandbox.exec(["/no/such"])).exitCode, 127)
    }),
  )

  onPodman("stops and starts a paused sandbox", (session) =>
    Effect.gen(function* () {
      const sandbox = yield* session.create()
      yield* sandbox.files.write("kept", "yes")
      const status = Effect.map(sandbox.inspect, (info) => info.status)
      for (let times = 0; times < 2; times++) {
        yield* sandbox.pause
        assert.strictEqual(yield* status, "paused")
        yield* times === 0 ? sandbox.stop : sandbox.start
        assert.strictEqual(yield* status, times === 0 ? "stopped" : "running")
        yield* sandbox.start
      }
      assert.strictEqual(yield* textOf(sandbox, "cat kept"), "yes")
    }),
  )

  onPodman("counts a sandbox as busy only while a command runs", (session) =>
    Effect.gen(function* () {
      const sandbox = yield* session.create()
      const busy = Effect.map(sandbox.inspect, (info) => info.busy)
      const running = yield* Effect.forkChild(sandbox.exec("until [ -e go ]; do sleep 0.1; done"))
      while (!(yield* busy)) yield* Effect.sleep("100 millis")
      yield* sandbox.run("touch go")
      yield* Fiber.join(running)
      assert.isFalse(yield* busy)
    }),
  )

  onPodman("gives each process the driver's ulimits", (session) =>
    Effect.gen(function* () {
      const sandbox = yield* session.create()
      const { nofile, nproc } = ulimits
      const limits = "ulimit -Hn; bash -c 'ulimit -Hu'"
      assert.strictEqual(yield* textOf(sandbox, limits), `${nofile}\n${nproc}`)
    }),
  )

  onPodman(
    "says what to do about ulimits that it may not raise, and leaves nothing behind",
    (session) =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(session.create())
        assert.strictEqual(error._tag, "EngineError")
        assert.include(error.message, "CONTAINER_SANDBOX_ULIMITS")
        assert.deepStrictEqual(yield* session.list, [])
      }),
    {},
    { ulimits: { nofile: 2 ** 30 } },
  )

  onPodman("passes cordon doctor", () =>
    Effect.gen(function* () {
      const env = {
        CONTAINER_SANDBOX_ULIMITS: Object.entries(ulimits)
          .map(([name, value]) => `${name}=${value}`)
          .join(","),
      }
      const args = ["doctor", "--json", "--image", image, "--host", host]
      const { code, stdout, stderr } = yield* Effect.promise(() => run(args, { env }))
      const report = Schema.decodeUnknownSync(Schema.fromJsonString(DoctorReport))(stdout)
      assert.deepStrictEqual(
        report.checks.filter(
          // The seccomp profile of Podman 4 lets sandboxes use AF_VSOCK.
          ({ status, name }) => status !== "ok" && name !== "orphans" && name !== "system calls",
        ),
        [],
        stderr,
      )
      assert.strictEqual(code, 0)
      assert.match(
        report.checks.find(({ name }) => name === "engine")?.detail ?? "",
        /^Podman version 4/,
      )
    }),
  )
})
