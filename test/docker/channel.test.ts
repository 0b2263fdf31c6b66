import {
  collectOutput,
  defaultLimits,
  type ExecRequest,
  FilePath,
  SandboxDriver,
  type SandboxId,
  SandboxName,
  type SandboxSpec,
  SessionId,
  sandboxId,
  sessionKey,
} from "@cordon/core"
import { type DockerOptions, docker } from "@cordon/driver-docker"
import { assert, describe } from "@effect/vitest"
import { Duration, Effect, Fiber, Logger, Schedule, type Scope, Stream } from "effect"
import { freshSession, image, needing, onEngine } from "./support.ts"

const make = Effect.fnUntraced(function* (more: Partial<SandboxSpec> = {}) {
  const driver = yield* SandboxDriver
  const session = sessionKey(SessionId.make(freshSession()))
  const spec: SandboxSpec = {
    name: SandboxName.make("box"),
    image,
    runtime: "runc",
    limits: { ...defaultLimits, memory: 256 * 1024 ** 2 },
    network: "none",
    lease: { idleTimeout: 600_000, removeTimeout: 1_200_000 },
    env: {},
    workdir: "/work",
    ...more,
  }
  const id = sandboxId(session, spec.name)
  yield* Effect.acquireRelease(driver.create({ id, session, spec }), () =>
    Effect.ignore(driver.remove(id)),
  )
  return id
})

const exec = (id: SandboxId, command: ExecRequest["command"], more: Partial<ExecRequest> = {}) =>
  Effect.gen(function* () {
    const driver = yield* SandboxDriver
    const request = { command, timeout: Duration.seconds(20), ...more }
    return yield* collectOutput(driver.exec(id, request), 1024 * 1024)
  })

const out = (id: SandboxId, command: ExecRequest["command"], more: Partial<ExecRequest> = {}) =>
  Effect.map(exec(id, command, more), ({ stdout }) => stdout)

// What the engine started has no parent in the container; what a lane started has the lane.
const parent = "echo $PPID"
const onLane = (id: SandboxId, more: Partial<ExecRequest> = {}) =>
  Effect.map(out(id, parent, more), (pid) => pid.trim() !== "0")

/** The process IDs of all lanes. */
const lanes = `for p in /proc/[0-9]*; do case $(tr '\\0' ' ' <$p/cmdline 2>/dev/null) in */bin/sh\\ -c\\ \\#\\ cordon*) echo \${p#/proc/};; esac; done`

/** Each lane of which something was killed may take one command along, but says so. */
const recovered = Effect.fnUntraced(function* (id: SandboxId) {
  let fine = 0
  for (let tries = 0; fine < 4; tries++) {
    const { exitCode, stdout } = yield* exec(id, "echo fine")
    fine = exitCode === 0 ? fine + 1 : 0
    if (exitCode === 0) assert.strictEqual(stdout, "fine\n")
    else assert.strictEqual(exitCode, 137)
    assert.isBelow(tries, 20)
  }
})

const withDriver =
  (options: DockerOptions = {}) =>
  <A, E>(body: Effect.Effect<A, E, SandboxDriver | Scope.Scope>) =>
    body.pipe(Effect.scoped, Effect.provide(docker(options)))

const check = <E>(
  name: string,
  body: () => Effect.Effect<unknown, E, SandboxDriver | Scope.Scope>,
) => onEngine(name, () => withDriver()(body()))

describe("exec channels", () => {
  check(
    "run commands without the engine, in sessions of their own and with no more than theirs",
    () =>
      Effect.gen(function* () {
        const id = yield* make({ env: { GREETING: "it's" } })
        assert.isTrue(yield* onLane(id))
        // pid, parent, group, session: a session of its own, as the engine gives.
        const [pid, , group, session] = (yield* out(id, "cut -d' ' -f1,4,5,6 /proc/$$/stat"))
          .trim()
          .split(" ")
        assert.strictEqual(group, pid)
        assert.strictEqual(session, pid)
        assert.strictEqual(yield* out(id, "ls /proc/$$/fd; :"), "0\n1\n2\n")
        assert.strictEqual(yield* out(id, "readlink /proc/$$/fd/0"), "/dev/null\n")
        assert.strictEqual(yield* out(id, "trap '' USR1; cd /; X=1; alias ls=false; PATH=/"), "")
        const ignored = "grep SigIgn /proc/$$/status; umask; pwd; ls / | head -n 1"
        const plain = yield* withDriver({ execChannel: false })(
          Effect.all({
            env: out(id, ["env"]),
            state: out(id, ignored),
            input: out(id, "cat; readlink /proc/$$/fd/1 | cut -c1-4", {
              stdin: Stream.make(Buffer.from("in")),
            }),
          }),
        )
        const sorted = (env: string) =>
          env
            .split("\n")
            .filter((line) => !line.startsWith("CORDON_EXEC_ID="))
            .sort()
        assert.deepStrictEqual(sorted(yield* out(id, ["env"])), sorted(plain.env))
        assert.strictEqual(yield* out(id, ignored), plain.state)
        const input = out(id, "cat; readlink /proc/$$/fd/1 | cut -c1-4", {
          stdin: Stream.make(Buffer.from("in")),
        })
        assert.strictEqual(yield* input, plain.input)
        assert.isFalse(yield* withDriver({ execChannel: false })(onLane(id)))
      }),
  )

  check("outlive stops, their own death and the loss of their programs", () =>
    Effect.gen(function* () {
      const driver = yield* SandboxDriver
      const id = yield* make()
      assert.isTrue(yield* onLane(id))
      yield* driver.stop(id)
      yield* driver.start(id)
      assert.isTrue(yield* onLane(id))
      // All lanes at once, the one that runs this among them.
      const killed = yield* exec(id, `kill -9 $(${lanes}); sleep 4321`)
      assert.strictEqual(killed.exitCode, 137)
      assert.isFalse(killed.timedOut)
      assert.isTrue(yield* onLane(id))
      assert.strictEqual(yield* out(id, "grep -l '[4]321' /proc/[0-9]*/cmdline; true"), "")
      // Their relays. What was to run on those lanes is killed, and nothing lost unsaid.
      yield* exec(id, "sleep 0.2; kill -9 $(pidof cat)")
      yield* recovered(id)
      // The first that the kernel ends where memory runs out.
      const hog = yield* exec(
        id,
        `for p in $(${lanes}); do echo 1000 >/proc/$p/oom_score_adj; done; head -c 400m /dev/zero | tail`,
      )
      assert.notStrictEqual(hog.exitCode, 0)
      yield* recovered(id)
    }),
  )

  check("let no output of a command into another one, whoever keeps it open", () =>
    Effect.gen(function* () {
      const id = yield* make()
      const first = yield* out(id, "(sleep 1; echo late; echo late >&2) & echo first")
      assert.strictEqual(first, "first\n")
      const flood = yield* out(id, "(while :; do echo noise; done) & echo second >&2")
      assert.notInclude(flood, "late")
      for (let n = 0; n < 5; n++) {
        const next = yield* exec(id, `sleep 0.4; echo next-${n}`)
        assert.strictEqual(next.stdout, `next-${n}\n`)
        assert.strictEqual(next.stderr, "")
      }
    }),
  )

  check("believe nothing that a command prints or keeps", () =>
    Effect.gen(function* () {
      const id = yield* make()
      const feigned = yield* exec(
        id,
        `printf '\\036%s\\n' "$CORDON_EXEC_ID"; printf '\\036%s=0\\n' "$CORDON_EXEC_ID" >&2; printf '\\036no way\\n\\001\\0\\0\\0\\0\\0\\0\\004fake'; exit 3`,
      )
      assert.strictEqual(feigned.exitCode, 3)
      const mark = /[0-9a-f]{24}/
      assert.strictEqual(
        feigned.stdout.replace(mark, "M"),
        "\x1eM\n\x1eno way\n\x01\0\0\0\0\0\0\x04fake",
      )
      assert.strictEqual(feigned.stderr.replace(mark, "M"), "\x1eM=0\n")
      // Takes the words for the end off its own pipe, and writes what it has got to a file.
      const thief = yield* exec(id, "cat /proc/self/fd/1 >/work/stolen & echo start; exit 7")
      assert.strictEqual(thief.exitCode, 7)
      assert.isFalse(thief.timedOut)
      yield* exec(id, "kill $(pidof cat)")
      yield* recovered(id)
      // They were used once.
      const again = yield* exec(id, "cat /work/stolen; echo rest; exit 8")
      assert.match(again.stdout, /rest\n$/)
      assert.strictEqual(again.exitCode, 8)
    }),
  )

  check("look up no program where a sandbox's user may write, and keep nothing in files", () =>
    Effect.gen(function* () {
      const id = yield* make()
      for (const name of ["cat", "setsid", "sh", "printf", "kill"]) {
        yield* exec(
          id,
          `printf '#!/bin/sh\\necho feigned\\n' >/usr/local/bin/${name}; chmod 755 /usr/local/bin/${name}`,
        )
      }
      yield* exec(
        id,
        "echo 'echo feigned' | tee /etc/profile /root/.profile /root/.shrc; rm -rf /tmp/* /dev/shm/* /var/tmp/*",
      )
      yield* exec(id, "head -c 100m /dev/zero >/dev/shm/full; true")
      // Enough at once that lanes have to be opened anew.
      const results = yield* Effect.forEach([1, 2, 3, 4], (n) => exec(id, `sleep 0.3; echo ${n}`), {
        concurrency: "unbounded",
      })
      assert.deepStrictEqual(
        results.map(({ stdout }) => stdout),
        ["1\n", "2\n", "3\n", "4\n"],
      )
      assert.isTrue(yield* onLane(id, { env: { ENV: "/root/.profile" } }))
    }),
  )

  check("belong to one user each: another one can neither reach nor kill them", () =>
    Effect.gen(function* () {
      const id = yield* make()
      const nobody = { user: "65534:65534", cwd: "/tmp" }
      assert.isTrue(yield* onLane(id))
      assert.isTrue(yield* onLane(id, nobody))
      assert.strictEqual(yield* out(id, "id -u", nobody), "65534\n")
      assert.strictEqual(yield* out(id, "id -u"), "0\n")
      const attack = `for p in $(${lanes}); do
        [ -O /proc/$p/cmdline ] && continue
        for fd in 0 1 2 9; do echo feigned >/proc/$p/fd/$fd && echo reached; done
        kill -9 $p && echo killed
        cat /proc/$p/mem && echo read
      done 2>/dev/null; true`
      assert.strictEqual(yield* out(id, attack, nobody), "")
      // Also from a command of the one user's that gave up its rights and stays.
      yield* Effect.forkChild(
        exec(
          id,
          `while :; do for p in /proc/[0-9]*; do echo feigned >$p/fd/1; done 2>/dev/null; done`,
          nobody,
        ),
      )
      for (let n = 0; n < 5; n++) assert.strictEqual(yield* out(id, `echo ${n}`), `${n}\n`)
    }),
  )

  check("are as hard to feign as what the engine starts: by the same user, and no other", () =>
    Effect.gen(function* () {
      const id = yield* make()
      // What the kernel allows the same user is so with a channel and without (docs/decisions/0015).
      const reach = `sleep 1234 & sleep 0.1; [ -w /proc/$!/fd/1 ] && echo can`
      const plain = yield* withDriver({ execChannel: false })(out(id, reach))
      assert.strictEqual(yield* out(id, reach), plain)
    }),
  )

  check("are left, and said to be left, where a sandbox can't have one", () =>
    Effect.gen(function* () {
      const id = yield* make()
      assert.isTrue(yield* onLane(id))
      yield* exec(id, "mv /usr/bin/setsid /usr/bin/setsid.away")
      const said: Array<string> = []
      const logger = Logger.make(({ message }) => void said.push(String(message)))
      const other = { user: "65534", cwd: "/tmp" }
      yield* Effect.gen(function* () {
        assert.isFalse(yield* onLane(id, other))
        assert.isFalse(yield* onLane(id, other))
      }).pipe(Effect.provide(Logger.layer([logger])))
      assert.lengthOf(
        said.filter((message) => /exec channel.*no setsid/.test(message)),
        1,
      )
      const few = yield* make({ limits: { ...defaultLimits, memory: 256 * 1024 ** 2, pids: 20 } })
      assert.isFalse(yield* onLane(few))
    }),
  )

  check("tell how the command ended that they were too old to survive", () =>
    Effect.gen(function* () {
      const id = yield* make({ lease: { idleTimeout: 2000, removeTimeout: 60_000 } })
      for (let turn = 0; turn < 2; turn++) {
        const { stdout, exitCode } = yield* exec(id, "sleep 1; echo done; exit 3")
        assert.deepStrictEqual([stdout, exitCode], ["done\n", 3])
      }
    }),
  )

  check("keep nobody from seeing that a sandbox is idle", () =>
    Effect.gen(function* () {
      const driver = yield* SandboxDriver
      const id = yield* make({ lease: { idleTimeout: 2000, removeTimeout: 60_000 } })
      yield* exec(id, "true")
      yield* exec(id, "true")
      const idle = (inspect: typeof driver.inspect) =>
        inspect(id).pipe(
          Effect.repeat({ schedule: Schedule.spaced("100 millis"), until: ({ busy }) => !busy }),
          Effect.timeout("20 seconds"),
        )
      yield* idle(driver.inspect)
      const running = yield* Effect.forkChild(exec(id, "sleep 100"))
      yield* Effect.sleep("300 millis")
      assert.isTrue((yield* driver.inspect(id)).busy)
      yield* Fiber.interrupt(running)
      // To another process lanes look like use until they end, soon after.
      yield* withDriver()(Effect.flatMap(SandboxDriver, (other) => idle(other.inspect)))
    }),
  )

  needing("CORDON_TEST_BUSYBOX_IMAGE", "work with busybox's shell", (busybox) =>
    withDriver()(
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        const id = yield* make({ image: busybox })
        assert.isTrue(yield* onLane(id))
        const all = Buffer.from(Uint8Array.from({ length: 256 }, (_, n) => n))
        const path = FilePath.make("/work/all")
        yield* driver.writeFile(id, path, { bytes: Stream.make(all), size: all.length })
        const back = Buffer.concat(yield* Stream.runCollect(driver.readFile(id, path)))
        assert.isTrue(all.equals(back))
        const fed = yield* out(id, "wc -c", { stdin: Stream.make(all) })
        assert.strictEqual(fed.trim(), "256")
        const killed = yield* exec(id, "sleep 1000", { timeout: Duration.millis(300) })
        assert.isTrue(killed.timedOut)
        assert.strictEqual(killed.stderr, "")
        assert.isTrue(yield* onLane(id))
      }),
    ),
  )

  check("work with bash in the shell's place", () =>
    Effect.gen(function* () {
      const id = yield* make()
      yield* exec(id, "ln -sf bash /bin/sh")
      const other = { user: "65534", cwd: "/tmp" }
      assert.isTrue(yield* onLane(id, other))
      assert.include(yield* out(id, 'echo "$BASH_VERSION"', other), ".")
      const env = yield* out(id, ["env"], other)
      assert.notMatch(env, /^(OLDPWD|PWD)=/m)
      assert.strictEqual(
        yield* out(id, "cat", { ...other, stdin: Stream.make(Buffer.from("x")) }),
        "x",
      )
      assert.strictEqual((yield* exec(id, "kill -TERM $$", other)).exitCode, 143)
    }),
  )
})
