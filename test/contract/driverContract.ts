import {
  type ArchiveEntry,
  collectOutput,
  defaultLimits,
  type ExecRequest,
  FilePath,
  packArchive,
  SandboxDriver,
  SandboxEvent,
  type SandboxId,
  SandboxName,
  type SandboxSpec,
  SessionId,
  sandboxId,
  sessionKey,
  unpackArchive,
} from "@cordon/core"
import { assert, describe } from "@effect/vitest"
import { type Context, Deferred, Duration, Effect, Fiber, type Layer, Stream } from "effect"
import * as fc from "fast-check"
import { onLayer } from "../support/onLayer.ts"
import { shellContract } from "./shellContract.ts"
import { tagsContract } from "./tagsContract.ts"

/** What a driver is tested with, and where it may differ. */
export interface ContractOptions {
  readonly layer: Layer.Layer<SandboxDriver, { readonly message: string }>
  readonly image: string
  /** Why the whole contract can't run here; undefined where it can. */
  readonly unavailable?: string | undefined
  readonly spec?: Partial<SandboxSpec>
  /** What a driver may lack, with the reason that its skipped tests give. */
  readonly lacks?: {
    readonly processes?: string
    readonly permissions?: string
    readonly checkedFolders?: string
    readonly specialFiles?: string
    readonly binaryOutput?: string
    readonly floods?: string
    readonly missingImages?: string
  }
  /** How many random cases a property is tried with. */
  readonly runs: number
}

let counter = 0
const session = sessionKey(SessionId.make(`contract-${process.pid}-${Date.now()}`))
const bytesOf = (text: string) => new TextEncoder().encode(text)
const at = (path: string) => FilePath.make(path)

/** The one suite that every driver passes: what `SandboxDriver` promises. */
export const driverContract = (driverName: string, options: ContractOptions) => {
  const { lacks = {}, runs } = options

  const specOf = (name: string, more: Partial<SandboxSpec> = {}): SandboxSpec => ({
    name: SandboxName.make(name),
    image: options.image,
    runtime: "runc",
    limits: { ...defaultLimits, memory: 256 * 1024 ** 2 },
    network: "none",
    lease: { idleTimeout: 600_000, removeTimeout: 1_200_000 },
    env: {},
    workdir: "/work",
    ...options.spec,
    ...more,
  })

  /** A fresh sandbox, removed with the test. */
  const make = (more: Partial<SandboxSpec> = {}) =>
    Effect.gen(function* () {
      const driver = yield* SandboxDriver
      const spec = specOf(`box-${++counter}`, more)
      const id = sandboxId(session, spec.name)
      yield* Effect.acquireRelease(driver.create({ id, session, spec }), () =>
        Effect.ignore(driver.remove(id)),
      )
      return id
    })

  const exec = (id: SandboxId, command: ExecRequest["command"], more: Partial<ExecRequest> = {}) =>
    Effect.gen(function* () {
      const driver = yield* SandboxDriver
      const request = { command, timeout: Duration.seconds(30), ...more }
      return yield* collectOutput(driver.exec(id, request), 4 * 1024 * 1024)
    })

  const out = (id: SandboxId, command: ExecRequest["command"], more: Partial<ExecRequest> = {}) =>
    Effect.map(exec(id, command, more), ({ stdout }) => stdout)

  const write = (id: SandboxId, path: string, content: string | Uint8Array, mode?: number) =>
    Effect.gen(function* () {
      const driver = yield* SandboxDriver
      const bytes = typeof content === "string" ? bytesOf(content) : content
      yield* driver.writeFile(id, at(path), {
        bytes: Stream.succeed(bytes),
        size: bytes.length,
        ...(mode === undefined ? {} : { mode }),
      })
    })

  const readBytes = (id: SandboxId, path: string, range?: { offset?: number; length?: number }) =>
    Effect.gen(function* () {
      const driver = yield* SandboxDriver
      return Buffer.concat(yield* Stream.runCollect(driver.readFile(id, at(path), range)))
    })
  const read = (id: SandboxId, path: string, range?: { offset?: number; length?: number }) =>
    Effect.map(readBytes(id, path, range), (bytes) => bytes.toString())

  const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.map(Effect.flip(effect), (error) => error._tag)

  const archiveOf = (
    ...entries: ReadonlyArray<Partial<ArchiveEntry> & { path: string; text?: string }>
  ) =>
    packArchive(
      Stream.fromIterable(entries).pipe(
        Stream.map(({ text, ...entry }): ArchiveEntry => {
          const bytes = bytesOf(text ?? "")
          return {
            kind: "file",
            size: bytes.length,
            mode: 0o644,
            content: Stream.succeed(bytes),
            ...entry,
          }
        }),
      ),
    )

  const unpacked = (id: SandboxId, path: string) =>
    Effect.gen(function* () {
      const driver = yield* SandboxDriver
      const found = new Map<string, string>()
      yield* unpackArchive(driver.getArchive(id, at(path)), (entry) =>
        Effect.gen(function* () {
          const text = Buffer.concat(yield* Stream.runCollect(entry.content)).toString()
          const name = entry.path.replace(/^\.\//, "").replace(/\/$/, "")
          if (name !== "" && name !== ".") {
            found.set(name, `${entry.kind} ${entry.mode.toString(8)} ${entry.linkTarget ?? text}`)
          }
        }),
      )
      return found
    })

  onLayer(
    `SandboxDriver contract: ${driverName}`,
    options.layer,
    { unavailable: options.unavailable },
    (check) => {
      shellContract({ check, make, out })
      tagsContract({ check, make, session })

      describe("lifecycle", () => {
        check("creates, inspects and lists what was asked for", () =>
          Effect.gen(function* () {
            const driver = yield* SandboxDriver
            const id = yield* make({ env: { GREETING: "hi" } })
            const info = yield* driver.inspect(id)
            assert.strictEqual(info.id, id)
            assert.strictEqual(info.session, session)
            assert.strictEqual(info.status, "running")
            assert.strictEqual(info.image, options.image)
            assert.strictEqual(info.workdir, "/work")
            assert.strictEqual(info.limits.memory, 256 * 1024 ** 2)
            assert.strictEqual(info.lease.removeTimeout, 1_200_000)
            const listed = (yield* driver.list(session)).find((other) => other.id === id)
            assert.strictEqual(listed?.instanceId, info.instanceId)
            const others = yield* driver.list(sessionKey(SessionId.make("nobody")))
            assert.deepStrictEqual(others, [])
            assert.strictEqual(yield* out(id, 'echo "$GREETING"; pwd'), "hi\n/work\n")
          }),
        )

        check("takes a name once, and gives it back after removal with a new incarnation", () =>
          Effect.gen(function* () {
            const driver = yield* SandboxDriver
            const id = yield* make()
            const info = yield* driver.inspect(id)
            const again = driver.create({ id, session, spec: specOf(info.name) })
            assert.strictEqual(yield* tagOf(again), "SandboxNameTaken")
            assert.strictEqual((yield* driver.inspect(id)).instanceId, info.instanceId)
            assert.strictEqual(yield* tagOf(driver.remove(id, "another")), "SandboxNotFound")
            yield* driver.remove(id, info.instanceId)
            const { instanceId } = yield* again
            assert.notStrictEqual(instanceId, info.instanceId)
            assert.strictEqual(yield* tagOf(driver.remove(id, info.instanceId)), "SandboxNotFound")
            assert.strictEqual(yield* out(id, "echo new"), "new\n")
          }),
        )

        check("is told to outlive its programs while a command runs, and stopped as well", () =>
          Effect.gen(function* () {
            const driver = yield* SandboxDriver
            const outlive = driver.outlive ?? (() => Effect.void)
            const id = yield* make()
            const told = yield* Deferred.make<void>()
            const stdin = Stream.fromEffect(Effect.as(Deferred.await(told), bytesOf("heard")))
            const command = yield* Effect.forkChild(out(id, "cat", { stdin }))
            yield* outlive(id, 3_600_000)
            yield* Deferred.succeed(told, undefined)
            // Its connection is another one, and goes on.
            assert.strictEqual(yield* Fiber.join(command), "heard")
            yield* driver.stop(id)
            yield* outlive(id, 3_600_000)
            assert.strictEqual((yield* driver.inspect(id)).status, "stopped")
            yield* driver.remove(id)
            if (driver.outlive !== undefined) {
              assert.strictEqual(yield* tagOf(outlive(id, 3_600_000)), "SandboxNotFound")
            }
          }),
        )

        check("keeps files over stop and start, both any number of times", () =>
          Effect.gen(function* () {
            const driver = yield* SandboxDriver
            const id = yield* make()
            yield* write(id, "/work/kept", "yes")
            yield* driver.stop(id)
            yield* driver.stop(id)
            assert.strictEqual((yield* driver.inspect(id)).status, "stopped")
            assert.strictEqual(yield* tagOf(exec(id, "true")), "SandboxNotRunning")
            assert.strictEqual(yield* tagOf(read(id, "/work/kept")), "SandboxNotRunning")
            assert.strictEqual(yield* tagOf(write(id, "/work/no", "")), "SandboxNotRunning")
            yield* driver.start(id)
            yield* driver.start(id)
            assert.strictEqual(yield* out(id, "cat /work/kept"), "yes")
          }),
        )

        check("lists a session's sandboxes, and only those, oldest first", () =>
          Effect.gen(function* () {
            const driver = yield* SandboxDriver
            const ids = [yield* make(), yield* make(), yield* make()] as const
            const listed = (yield* driver.list(session)).filter(({ id }) => ids.includes(id))
            assert.sameMembers(
              listed.map(({ id }) => id),
              [...ids],
            )
            // What waited in a warm pool may be older than what was asked for before it.
            const ages = listed.map(({ createdAt }) => createdAt.getTime())
            assert.deepStrictEqual(
              ages,
              ages.toSorted((a, b) => a - b),
            )
            const everybody = (yield* driver.list()).map((info) => info.id)
            for (const id of ids) assert.include(everybody, id)
            yield* driver.stop(ids[1])
            const statuses = new Map(
              (yield* driver.list(session)).map(({ id, status }) => [id, status]),
            )
            assert.deepStrictEqual(
              ids.map((id) => statuses.get(id)),
              ["running", "stopped", "running"],
            )
          }),
        )

        check("lets one of two creations at the same time win", () =>
          Effect.gen(function* () {
            const driver = yield* SandboxDriver
            const spec = specOf(`box-${++counter}`)
            const id = sandboxId(session, spec.name)
            yield* Effect.addFinalizer(() => Effect.ignore(driver.remove(id)))
            const results = yield* Effect.forEach(
              [1, 2, 3],
              () => Effect.result(driver.create({ id, session, spec })),
              { concurrency: "unbounded" },
            )
            const winners = results.flatMap((result) =>
              result._tag === "Success" ? [result.success.instanceId] : [],
            )
            const losers = results.flatMap((result) =>
              result._tag === "Failure" ? [result.failure._tag] : [],
            )
            assert.deepStrictEqual(winners, [(yield* driver.inspect(id)).instanceId])
            assert.deepStrictEqual(losers, ["SandboxNameTaken", "SandboxNameTaken"])
            assert.strictEqual(yield* out(id, "echo whole"), "whole\n")
          }),
        )

        check("says what it offers, and sweeps nothing that is in use", () =>
          Effect.gen(function* () {
            const driver = yield* SandboxDriver
            const { runtimes, caveats, host } = yield* driver.capabilities
            assert.include(
              runtimes.map(({ runtime }) => runtime),
              "runc",
            )
            assert.isNotEmpty(caveats)
            assert.isNotEmpty(host)
            const id = yield* make({ network: "internal" })
            // Old enough for the sweep, and older than what other tests are making right now.
            yield* Effect.sleep("6 seconds")
            const swept = yield* driver.sweep(Duration.seconds(5))
            assert.isFalse(swept.some((name) => name.includes(id)))
            assert.strictEqual(yield* out(id, "echo still here"), "still here\n")
          }),
        )

        check("knows no sandbox that is not there", () =>
          Effect.gen(function* () {
            const driver = yield* SandboxDriver
            const id = sandboxId(session, SandboxName.make("nobody"))
            const calls: ReadonlyArray<Effect.Effect<unknown, { _tag: string }, SandboxDriver>> = [
              driver.inspect(id),
              driver.start(id),
              driver.stop(id),
              driver.remove(id),
              driver.stat(id, at("/")),
              exec(id, "true"),
              read(id, "/etc/passwd"),
              write(id, "/x", ""),
              Stream.runDrain(driver.getArchive(id, at("/tmp"))),
              driver.putArchive(id, at("/tmp"), archiveOf()),
            ]
            for (const call of calls) assert.strictEqual(yield* tagOf(call), "SandboxNotFound")
          }),
        )

        check("refuses a runtime that is not on offer before anything is made", () =>
          Effect.gen(function* () {
            const driver = yield* SandboxDriver
            const { runtimes } = yield* driver.capabilities
            const offered = runtimes.map(({ runtime }) => runtime)
            const missing = (["kata", "sysbox-runc", "gvisor"] as const).find(
              (runtime) => !offered.includes(runtime),
            )
            assert.isDefined(missing)
            const spec = specOf("no-runtime", { runtime: missing })
            const id = sandboxId(session, spec.name)
            const error = yield* Effect.flip(driver.create({ id, session, spec }))
            assert.strictEqual(error._tag, "RuntimeUnavailable")
            assert.include(error.message, offered.join(", "))
            assert.strictEqual(yield* tagOf(driver.inspect(id)), "SandboxNotFound")
          }),
        )

        check(
          "refuses an image that does not exist",
          () =>
            Effect.gen(function* () {
              const driver = yield* SandboxDriver
              const spec = specOf("no-image", { image: "localhost:1/no/such:1" })
              const id = sandboxId(session, spec.name)
              const error = yield* Effect.flip(driver.create({ id, session, spec }))
              assert.include(["ImageNotFound", "ImagePullFailed"], error._tag)
              assert.strictEqual(yield* tagOf(driver.inspect(id)), "SandboxNotFound")
            }),
          lacks.missingImages,
        )

        check("tells of what happens to sandboxes", () =>
          Effect.gen(function* () {
            const driver = yield* SandboxDriver
            const seen: Array<string> = []
            const id = sandboxId(session, SandboxName.make(`box-${counter + 1}`))
            const watching = yield* driver.events.pipe(
              Stream.filter((event) => event.id === id),
              Stream.takeUntil(SandboxEvent.$is("Removed")),
              Stream.runForEach((event) => Effect.sync(() => void seen.push(event._tag))),
              Effect.forkChild,
            )
            yield* Effect.sleep("200 millis")
            yield* make()
            yield* exec(id, "true")
            yield* driver.stop(id)
            yield* driver.remove(id)
            yield* Fiber.join(watching)
            for (const tag of ["Created", "Started", "Stopped", "Removed"]) {
              assert.include(seen, tag)
            }
          }),
        )
      })

      describe("exec", () => {
        check("runs real scripts and keeps their outputs apart", () =>
          Effect.gen(function* () {
            const id = yield* make()
            const result = yield* exec(
              id,
              "for i in 3 1 2; do echo $i; done | sort > sorted; cat sorted | tr '\\n' ' '; echo oops >&2; exit 5",
            )
            assert.strictEqual(result.stdout, "1 2 3 ")
            assert.strictEqual(result.stderr, "oops\n")
            assert.strictEqual(result.exitCode, 5)
            assert.isFalse(result.timedOut || result.oomKilled || result.truncated)
            const missing = yield* exec(id, "no-such-command")
            assert.strictEqual(missing.exitCode, 127)
            assert.match(missing.stderr, /not found/)
          }),
        )

        check("hands arguments on unread by any shell", () =>
          Effect.gen(function* () {
            const id = yield* make()
            const values = ["a b", "$HOME", "`id`", "'\"", "new\nline", "*", "-n", "", "\\", "é日"]
            for (const value of values) {
              assert.strictEqual(yield* out(id, ["printf", "%s", value]), value)
            }
            const missing = yield* exec(id, ["no-such-program", "x"])
            assert.strictEqual(missing.exitCode, 127)
            yield* Effect.promise(() =>
              fc.assert(
                fc.asyncProperty(
                  fc
                    .string({ maxLength: 40 })
                    .filter((s) => !s.includes("\0") && s === Buffer.from(s).toString()),
                  async (value) => {
                    const printed = await Effect.runPromise(
                      out(id, ["printf", "%s", value]).pipe(Effect.provideContext(context)),
                    )
                    assert.strictEqual(printed, value)
                  },
                ),
                { numRuns: runs },
              ),
            )
          }).pipe(capturing),
        )

        check(
          "is binary safe",
          () =>
            Effect.gen(function* () {
              const id = yield* make()
              const all = Uint8Array.from({ length: 256 }, (_, n) => n)
              yield* write(id, "/work/all", all)
              const driver = yield* SandboxDriver
              const events = yield* Stream.runCollect(driver.exec(id, { command: "cat /work/all" }))
              const bytes = events.flatMap((event) =>
                event._tag === "Stdout" ? [...event.bytes] : [],
              )
              assert.deepStrictEqual(bytes, [...all])
            }),
          lacks.binaryOutput,
        )

        check("feeds standard input, and survives a command that does not read it", () =>
          Effect.gen(function* () {
            const id = yield* make()
            const of = (bytes: Uint8Array) => ({ stdin: Stream.succeed(bytes) })
            assert.strictEqual(yield* out(id, "cat", of(bytesOf("héllo\n"))), "héllo\n")
            assert.strictEqual(yield* out(id, "cat; echo end", of(new Uint8Array())), "end\n")
            assert.strictEqual(yield* out(id, "cat"), "")
            const large = Buffer.alloc(1024 * 1024, "0123456789abcdef")
            assert.strictEqual((yield* out(id, "wc -c", of(large))).trim(), String(large.length))
            assert.strictEqual(yield* out(id, "echo done", of(large)), "done\n")
          }),
        )

        check("runs where and with what it is told", () =>
          Effect.gen(function* () {
            const id = yield* make({ env: { A: "sandbox", B: "kept" } })
            const result = yield* out(id, "pwd; echo $A $B", { cwd: "/tmp", env: { A: "exec" } })
            assert.strictEqual(result, "/tmp\nexec kept\n")
            assert.strictEqual(yield* out(id, "cd /tmp; X=1; pwd"), "/tmp\n")
            assert.strictEqual(yield* out(id, 'pwd; echo "[$X]"'), "/work\n[]\n")
            assert.strictEqual(yield* tagOf(exec(id, "true", { cwd: "/no/such" })), "InvalidPath")
          }),
        )

        check("prints and writes bytes as they are", () =>
          Effect.gen(function* () {
            const driver = yield* SandboxDriver
            const id = yield* make()
            const script =
              "printf '\\357\\273\\277b\\377' >f; cat f; { cat f; } >g; cat g; printf '\\376'"
            const events = yield* Stream.runCollect(driver.exec(id, { command: script }))
            const printed = events.flatMap((event) =>
              event._tag === "Stdout" ? [event.bytes] : [],
            )
            const once = "efbbbf62ff"
            assert.strictEqual(Buffer.concat(printed).toString("hex"), `${once}${once}fe`)
            for (const path of ["/work/f", "/work/g"]) {
              assert.strictEqual((yield* readBytes(id, path)).toString("hex"), once)
            }
          }),
        )

        check("goes on where something runs in the background, and waits where told", () =>
          Effect.gen(function* () {
            const id = yield* make()
            const started = yield* exec(id, "sleep 300 & echo started")
            assert.strictEqual(started.stdout, "started\n")
            assert.deepStrictEqual([started.exitCode, started.timedOut], [0, false])
            const waited = "(sleep 0.3; echo 1 >one) & (exit 3) & wait $!; echo $?; wait; cat one"
            assert.strictEqual(yield* out(id, waited), "3\n1\n")
          }),
        )

        check("takes no program's name for a missing folder", () =>
          Effect.gen(function* () {
            const id = yield* make()
            assert.strictEqual(yield* tagOf(exec(id, ["true"], { cwd: "/no/cwd" })), "InvalidPath")
            assert.strictEqual((yield* exec(id, ["chdir to cwd"])).exitCode, 127)
          }),
        )

        check(
          "runs in no file in place of a folder",
          () =>
            Effect.gen(function* () {
              const id = yield* make()
              const inFile = exec(id, "true", { cwd: "/etc/passwd" })
              assert.strictEqual(yield* tagOf(inFile), "InvalidPath")
            }),
          lacks.checkedFolders,
        )

        check(
          "refuses a user that the sandbox or its image does not have",
          () =>
            Effect.gen(function* () {
              const driver = yield* SandboxDriver
              const id = yield* make()
              for (const user of ["nosuch", "root:nosuch", "4294967296", "0:4294967296"]) {
                assert.strictEqual(yield* tagOf(exec(id, "true", { user })), "InvalidInput", user)
              }
              assert.strictEqual(yield* out(id, "id -u", { user: "65534:65534" }), "65534\n")
              const spec = specOf("nobodys", { user: "nosuch", workdir: "/tmp" })
              const nobodys = sandboxId(session, spec.name)
              const made = driver.create({ id: nobodys, session, spec })
              assert.strictEqual(yield* tagOf(made), "InvalidInput")
              assert.strictEqual(yield* tagOf(driver.inspect(nobodys)), "SandboxNotFound")
            }),
          lacks.permissions,
        )

        check("runs a command that begins with a dash or a plus", () =>
          Effect.gen(function* () {
            const id = yield* make()
            for (const name of ["-x", "+x", "--version", "-v", "-c"]) {
              const missing = yield* exec(id, name)
              assert.include(`${missing.stderr}`, `${name}: `)
              assert.strictEqual(missing.exitCode, 127, name)
              assert.strictEqual((yield* exec(id, [name])).exitCode, 127, name)
              yield* write(id, `/work/bin/${name}`, '#!/bin/sh\necho "ran $1"\n', 0o755)
              const env = { PATH: "/work/bin:/usr/bin:/bin" }
              assert.strictEqual(yield* out(id, `${name} 'a b'`, { env }), "ran a b\n")
              assert.strictEqual(yield* out(id, [name, "a b"], { env }), "ran a b\n")
            }
          }),
        )

        check("runs programs of the sandbox's own, and says why it can't", () =>
          Effect.gen(function* () {
            const id = yield* make()
            yield* write(id, "/work/tool", '#!/bin/sh\necho "ran $1"; exit 9\n', 0o755)
            const ran = yield* exec(id, ["/work/tool", "a b"])
            assert.strictEqual(ran.stdout, "ran a b\n")
            assert.strictEqual(ran.exitCode, 9)
            yield* write(id, "/work/data", "no program")
            assert.strictEqual((yield* exec(id, ["/work/data"])).exitCode, 126)
            assert.strictEqual((yield* exec(id, ["/work/none"])).exitCode, 127)
            const broken = yield* exec(id, "if then fi")
            assert.notStrictEqual(broken.exitCode, 0)
            assert.match(broken.stderr, /syntax error/i)
          }),
        )

        check("ends a command that is interrupted, and goes on", () =>
          Effect.gen(function* () {
            const driver = yield* SandboxDriver
            const id = yield* make()
            const running = yield* Effect.forkChild(exec(id, "sleep 2; echo late > /work/late"))
            yield* Effect.sleep("500 millis")
            assert.isTrue((yield* driver.inspect(id)).busy ?? true)
            yield* Fiber.interrupt(running)
            assert.strictEqual(yield* out(id, "sleep 3; ls -A /work"), "")
          }),
        )

        check("ends a command when its time is up, and nothing else", () =>
          Effect.gen(function* () {
            const id = yield* make()
            yield* write(id, "/work/kept", "yes")
            const stuck = yield* Effect.forkChild(exec(id, "sleep 1000"))
            const result = yield* exec(id, "echo before; sleep 1000; echo after", {
              timeout: Duration.millis(500),
            })
            assert.isTrue(result.timedOut)
            assert.isFalse(result.restarted)
            assert.strictEqual(result.exitCode, 137)
            assert.notInclude(result.stdout, "after")
            // One stuck command holds up no other, and outlives the other's timeout.
            assert.strictEqual(yield* out(id, "cat kept"), "yes")
            assert.isUndefined(stuck.pollUnsafe())
            yield* Fiber.interrupt(stuck)
          }),
        )

        check("ends a busy loop when its time is up", () =>
          Effect.gen(function* () {
            const id = yield* make()
            const result = yield* exec(id, "while :; do :; done", { timeout: Duration.millis(500) })
            assert.isTrue(result.timedOut)
            assert.strictEqual(yield* out(id, "echo on"), "on\n")
          }),
        )

        check(
          "leaves no process of a command that it ended, daemons of it neither",
          () =>
            Effect.gen(function* () {
              const id = yield* make()
              const alive = (mark: string) =>
                Effect.map(
                  exec(
                    id,
                    `for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline 2>/dev/null | grep -q "^sleep ${mark}" && echo $p; done; true`,
                  ),
                  ({ stdout }) => stdout.trim().split("\n").filter(Boolean).length,
                )
              const spawn = (mark: string) =>
                `sleep ${mark} & (setsid sleep ${mark} &) ; setsid sh -c "sleep ${mark}" & (sh -c "sleep ${mark} & exec sleep ${mark}" &) ; sleep ${mark}`
              const timedOut = yield* exec(id, spawn("7001"), { timeout: Duration.seconds(1) })
              assert.isTrue(timedOut.timedOut)
              assert.strictEqual(yield* alive("7001"), 0)
              const interrupted = yield* Effect.forkChild(exec(id, spawn("7002")))
              yield* Effect.sleep("1 second")
              assert.isAtLeast(yield* alive("7002"), 4)
              yield* Fiber.interrupt(interrupted)
              assert.strictEqual(yield* alive("7002"), 0)
              // One that ended by itself keeps its background processes.
              yield* exec(id, "sleep 7003 >/dev/null 2>&1 &")
              assert.strictEqual(yield* alive("7003"), 1)
            }),
          lacks.processes,
        )

        check(
          "does not wait for background processes that hold the output",
          () =>
            Effect.gen(function* () {
              const id = yield* make()
              const result = yield* exec(id, "echo before; sleep 1000 & echo after", {
                timeout: Duration.seconds(20),
              })
              assert.strictEqual(result.stdout, "before\nafter\n")
              assert.isFalse(result.timedOut)
              assert.strictEqual(result.exitCode, 0)
              const chatty = yield* exec(id, "(while :; do echo noise; done) & echo main >&2", {
                timeout: Duration.seconds(20),
              })
              assert.isFalse(chatty.timedOut)
              assert.include(chatty.stderr, "main")
            }),
          lacks.processes,
        )

        check(
          "brings 10 MB whole and 200 MB counted, in bounded memory",
          () =>
            Effect.gen(function* () {
              const id = yield* make()
              const driver = yield* SandboxDriver
              const flood = (bytes: number) =>
                driver.exec(id, { command: `head -c ${bytes} /dev/zero | tr '\\0' x` })
              const ten = yield* collectOutput(flood(10_000_000), 20_000_000)
              assert.strictEqual(ten.stdout, "x".repeat(10_000_000))
              const before = process.memoryUsage.rss()
              let peak = 0
              const watched = Stream.tap(flood(200_000_000), () =>
                Effect.sync(() => {
                  peak = Math.max(peak, process.memoryUsage.rss() - before)
                }),
              )
              const result = yield* collectOutput(watched, 100_000)
              assert.strictEqual(result.stdoutBytes, 200_000_000)
              assert.isTrue(result.truncated)
              assert.match(result.stdout, /^x+\n\[\.\.\. \d+ bytes cut \.\.\.\]\nx+$/)
              assert.isBelow(peak, 150 * 1024 ** 2)
            }),
          lacks.floods,
        )

        check("keeps 20 commands at once apart", () =>
          Effect.gen(function* () {
            const id = yield* make()
            const results = yield* Effect.forEach(
              Array.from({ length: 20 }, (_, n) => n),
              (n) => exec(id, `echo out-${n}; echo err-${n} >&2; exit ${n}`),
              { concurrency: "unbounded" },
            )
            results.forEach((result, n) => {
              assert.strictEqual(result.stdout, `out-${n}\n`)
              assert.strictEqual(result.stderr, `err-${n}\n`)
              assert.strictEqual(result.exitCode, n)
            })
          }),
        )

        check("ends with the sandbox that is stopped or removed under it", () =>
          Effect.gen(function* () {
            const driver = yield* SandboxDriver
            for (const end of ["stop", "remove"] as const) {
              const id = yield* make()
              const running = yield* Effect.forkChild(Effect.result(exec(id, "sleep 5")))
              yield* Effect.sleep("300 millis")
              yield* driver[end](id)
              const result = yield* Fiber.join(running)
              // Killed or refused, but neither hanging nor successful.
              if (result._tag === "Success") assert.notStrictEqual(result.success.exitCode, 0)
              else assert.include(["SandboxNotFound", "SandboxNotRunning"], result.failure._tag)
            }
          }),
        )
      })

      describe("files", () => {
        const names = [
          "/work/plain",
          "/work/with space",
          "/work/ünïcödé 日本",
          "/work/-dash",
          "/work/new\nline",
          "/work/quote'\"$x`y",
          "/work/a/b/c/deep",
          "/work/a/../dotdot",
          `/work/${"n".repeat(250)}`,
        ]

        check("are written and read whatever their names", () =>
          Effect.gen(function* () {
            const driver = yield* SandboxDriver
            const id = yield* make()
            for (const name of names) {
              yield* write(id, name, `in ${name}`)
              assert.strictEqual(yield* read(id, name), `in ${name}`)
              const { modifiedAt, ...stat } = yield* driver.stat(id, at(name))
              assert.instanceOf(modifiedAt, Date)
              assert.deepStrictEqual(stat, {
                kind: "file",
                size: Buffer.byteLength(`in ${name}`),
                mode: 0o644,
              })
            }
            const listed = yield* out(id, "ls /work | wc -l")
            // The name with a newline counts twice.
            assert.strictEqual(listed.trim(), String(names.length + 1))
          }),
        )

        check("hold any bytes, at any length", () =>
          Effect.gen(function* () {
            const id = yield* make()
            yield* Effect.promise(() =>
              fc.assert(
                fc.asyncProperty(fc.uint8Array({ maxLength: 5000 }), async (bytes) => {
                  const back = await Effect.runPromise(
                    Effect.andThen(write(id, "/work/x", bytes), readBytes(id, "/work/x")).pipe(
                      Effect.provideContext(context),
                    ),
                  )
                  assert.deepStrictEqual([...back], [...bytes])
                }),
                { numRuns: runs },
              ),
            )
            const large = Buffer.alloc(5 * 1024 * 1024 + 13, "The quick brown fox\0\xff")
            yield* write(id, "/work/large", large)
            assert.isTrue(large.equals(yield* readBytes(id, "/work/large")))
            assert.strictEqual((yield* out(id, "wc -c < large")).trim(), String(large.length))
            yield* write(id, "/work/empty", "")
            assert.strictEqual(yield* read(id, "/work/empty"), "")
          }).pipe(capturing),
        )

        check("can be read in part", () =>
          Effect.gen(function* () {
            const id = yield* make()
            yield* write(id, "/work/f", "0123456789")
            assert.strictEqual(yield* read(id, "/work/f", { offset: 3 }), "3456789")
            assert.strictEqual(yield* read(id, "/work/f", { length: 4 }), "0123")
            assert.strictEqual(yield* read(id, "/work/f", { offset: 8, length: 10 }), "89")
            assert.strictEqual(yield* read(id, "/work/f", { offset: 20 }), "")
            assert.strictEqual(yield* read(id, "/work/f", { length: 0 }), "")
          }),
        )

        check("are not run by being read", () =>
          Effect.gen(function* () {
            const id = yield* make()
            const line = "echo ran >> /work/ran; exit 0\n"
            // Larger than any pipe: who reads its beginning leaves the rest of it unread.
            yield* write(id, "/work/f", line.repeat(20_000))
            for (const offset of [0, 10 * line.length, 300_000]) {
              assert.strictEqual(
                yield* read(id, "/work/f", { offset, length: line.length }),
                line
                  .repeat(2)
                  .slice(offset % line.length)
                  .slice(0, line.length),
              )
            }
            assert.strictEqual((yield* exec(id, "test ! -e /work/ran")).exitCode, 0)
          }),
        )

        check("keep their mode when overwritten, and are written through links", () =>
          Effect.gen(function* () {
            const driver = yield* SandboxDriver
            const id = yield* make()
            yield* write(id, "/work/run.sh", "echo one", 0o755)
            yield* write(id, "/work/run.sh", "echo two")
            assert.strictEqual((yield* driver.stat(id, at("/work/run.sh"))).mode, 0o755)
            yield* exec(
              id,
              "mkdir other; echo target > other/real; ln -s other/real link; ln -s /work/other dir",
            )
            yield* write(id, "/work/link", "through")
            assert.strictEqual(yield* read(id, "/work/other/real"), "through")
            yield* write(id, "/work/dir/new", "in")
            assert.strictEqual(yield* read(id, "/work/other/new"), "in")
            assert.strictEqual(yield* out(id, "readlink link"), "other/real\n")
            yield* exec(id, "ln -s missing dangling")
            yield* write(id, "/work/dangling", "made")
            assert.strictEqual(yield* read(id, "/work/missing"), "made")
          }),
        )

        check("are found where the kernel finds them, and stay inside whatever the path", () =>
          Effect.gen(function* () {
            const driver = yield* SandboxDriver
            const id = yield* make()
            yield* exec(id, "mkdir -p far/away; ln -s far/away near; ln -s /etc/passwd users")
            // Behind a link, `..` is the parent of where the link leads.
            yield* write(id, "/work/near/../beside", "physical")
            assert.strictEqual(yield* read(id, "/work/far/beside"), "physical")
            assert.strictEqual(yield* read(id, "//work/./far//beside"), "physical")
            assert.strictEqual(yield* tagOf(read(id, "/work/beside")), "FileNotFound")
            const climbed = yield* read(id, `/work${"/..".repeat(50)}/etc/passwd`)
            assert.match(climbed, /^root:/)
            assert.strictEqual(yield* read(id, "/work/users"), climbed)
            assert.strictEqual((yield* driver.stat(id, at("/work/users"))).kind, "file")
            assert.strictEqual((yield* driver.stat(id, at("/"))).kind, "directory")
            assert.strictEqual(yield* tagOf(write(id, "/work/far/", "x")), "NotAFile")
          }),
        )

        check("take over what scripts wrote, and the other way round", () =>
          Effect.gen(function* () {
            const driver = yield* SandboxDriver
            const id = yield* make()
            yield* exec(id, "printf 'one\\n' > f; chmod 640 f; printf 'two\\n' >> f")
            assert.strictEqual(yield* read(id, "/work/f"), "one\ntwo\n")
            assert.strictEqual((yield* driver.stat(id, at("/work/f"))).mode, 0o640)
            yield* write(id, "/work/f", "three\n", 0o600)
            assert.strictEqual(yield* out(id, "cat f; stat -c %a f"), "three\n600\n")
          }),
        )

        check("are refused by what is in the way", () =>
          Effect.gen(function* () {
            const driver = yield* SandboxDriver
            const id = yield* make()
            yield* write(id, "/work/file", "x")
            yield* exec(id, "mkdir folder; ln -s loop loop")
            assert.strictEqual(yield* tagOf(read(id, "/work/none")), "FileNotFound")
            assert.strictEqual(yield* tagOf(driver.stat(id, at("/work/none"))), "FileNotFound")
            assert.strictEqual(yield* tagOf(read(id, "/work/folder")), "NotAFile")
            assert.strictEqual(yield* tagOf(write(id, "/work/folder", "x")), "NotAFile")
            assert.strictEqual(yield* tagOf(read(id, "/work/file/below")), "NotADirectory")
            assert.strictEqual(yield* tagOf(write(id, "/work/file/below", "x")), "NotADirectory")
            assert.strictEqual(yield* tagOf(read(id, "/work/loop")), "InvalidPath")
            assert.strictEqual(yield* tagOf(write(id, "/work/loop", "x")), "InvalidPath")
            assert.strictEqual((yield* driver.stat(id, at("/work/folder"))).kind, "directory")
            assert.strictEqual(yield* read(id, "/work/file"), "x")
          }),
        )

        check(
          "are refused by their permissions",
          () =>
            Effect.gen(function* () {
              const id = yield* make({ user: "65534:65534", workdir: "/tmp" })
              assert.strictEqual(yield* tagOf(write(id, "/etc/passwd", "x")), "PermissionDenied")
              assert.strictEqual(yield* tagOf(write(id, "/etc/new", "x")), "PermissionDenied")
              assert.strictEqual(yield* tagOf(write(id, "/new/folder/f", "x")), "PermissionDenied")
              assert.strictEqual(yield* tagOf(read(id, "/etc/shadow")), "PermissionDenied")
              // A link that its user planted leads no further than the user could go.
              yield* exec(id, "ln -s /etc/passwd /tmp/planted")
              assert.strictEqual(yield* tagOf(write(id, "/tmp/planted", "x")), "PermissionDenied")
              const driver = yield* SandboxDriver
              const put = driver.putArchive(id, at("/etc"), archiveOf({ path: "x", text: "y" }))
              assert.strictEqual(yield* tagOf(put), "PermissionDenied")
              yield* write(id, "/tmp/own", "mine")
              assert.strictEqual(yield* read(id, "/tmp/own"), "mine")
            }),
          lacks.permissions,
        )

        check(
          "that are no files do not hang anybody",
          () =>
            Effect.gen(function* () {
              const id = yield* make()
              yield* exec(id, "mkfifo pipe")
              assert.strictEqual(yield* tagOf(read(id, "/work/pipe")), "NotAFile")
              assert.strictEqual(yield* tagOf(write(id, "/work/pipe", "x")), "NotAFile")
              assert.strictEqual(yield* tagOf(read(id, "/dev/zero")), "NotAFile")
            }),
          lacks.specialFiles,
        )

        check("are written side by side into folders that none of them has yet", () =>
          Effect.gen(function* () {
            const id = yield* make()
            const names = ["1", "2", "3", "4", "5", "6"]
            yield* Effect.forEach(names, (name) => write(id, `/work/a/b/${name}`, name), {
              concurrency: "unbounded",
            })
            assert.strictEqual(yield* out(id, "cat a/b/*"), "123456")
          }),
        )

        check("stay as they were when new content does not come whole", () =>
          Effect.gen(function* () {
            const driver = yield* SandboxDriver
            const id = yield* make()
            yield* write(id, "/work/f", "old")
            const half = Stream.succeed(bytesOf("new"))
            const broken = Stream.concat(half, Stream.fail({ _tag: "Broken" as const }))
            const target = at("/work/f")
            assert.strictEqual(
              yield* tagOf(driver.writeFile(id, target, { bytes: broken })),
              "Broken",
            )
            assert.strictEqual(
              yield* tagOf(driver.writeFile(id, target, { bytes: broken, size: 10 })),
              "Broken",
            )
            for (const size of [2, 4]) {
              const wrong = driver.writeFile(id, target, { bytes: half, size })
              assert.strictEqual(yield* tagOf(wrong), "StorageFailed")
            }
            const endless = yield* Effect.forkChild(
              driver.writeFile(id, target, { bytes: Stream.concat(half, Stream.never) }),
            )
            yield* Effect.sleep("300 millis")
            yield* Fiber.interrupt(endless)
            assert.strictEqual(yield* read(id, "/work/f"), "old")
            assert.strictEqual(yield* out(id, "ls -A"), "f\n")
            yield* driver.writeFile(id, target, { bytes: half })
            assert.strictEqual(yield* read(id, "/work/f"), "new")
          }),
        )
      })

      describe("archives", () => {
        check("carry folders both ways", () =>
          Effect.gen(function* () {
            const driver = yield* SandboxDriver
            const id = yield* make()
            const deep = `${"long-folder-name-".repeat(10)}/${"f".repeat(120)}`
            const archive = archiveOf(
              { path: "empty", kind: "directory", mode: 0o755, size: 0, content: Stream.empty },
              { path: "run.sh", text: "echo hi", mode: 0o755 },
              { path: "sub/ünï 日", text: "text" },
              { path: deep, text: "deep" },
              {
                path: "link",
                kind: "symlink",
                linkTarget: "run.sh",
                size: 0,
                content: Stream.empty,
              },
            )
            yield* driver.putArchive(id, at("/work/new/place"), archive)
            assert.strictEqual(yield* out(id, "sh new/place/run.sh"), "hi\n")
            assert.strictEqual(yield* out(id, "readlink new/place/link"), "run.sh\n")
            const found = yield* unpacked(id, "/work/new/place")
            assert.strictEqual(found.get("run.sh"), "file 755 echo hi")
            assert.strictEqual(found.get("sub/ünï 日"), "file 644 text")
            assert.strictEqual(found.get(deep), "file 644 deep")
            assert.match(found.get("link") ?? "", /^symlink \d+ run.sh$/)
            assert.match(found.get("empty") ?? "", /^directory 755/)
          }),
        )

        check("and files that are written keep their times", () =>
          Effect.gen(function* () {
            const driver = yield* SandboxDriver
            const id = yield* make()
            const modifiedAt = new Date("2001-02-03T04:05:06Z")
            const bytes = Stream.succeed(bytesOf("x"))
            yield* driver.writeFile(id, at("/work/sized"), { bytes, size: 1, modifiedAt })
            yield* driver.writeFile(id, at("/work/streamed"), { bytes, modifiedAt })
            yield* driver.putArchive(
              id,
              at("/work/in"),
              archiveOf(
                { path: "d", kind: "directory", mode: 0o755, modifiedAt },
                { path: "d/f", text: "x", modifiedAt },
              ),
            )
            for (const path of ["sized", "streamed", "in/d", "in/d/f"]) {
              const stat = yield* driver.stat(id, at(`/work/${path}`))
              assert.deepStrictEqual(stat.modifiedAt, modifiedAt, path)
            }
            yield* unpackArchive(driver.getArchive(id, at("/work/in")), (entry) =>
              Effect.sync(() => {
                if (/d/.test(entry.path)) assert.deepStrictEqual(entry.modifiedAt, modifiedAt)
              }),
            )
          }),
        )

        check("bring any files to any names", () =>
          Effect.gen(function* () {
            const driver = yield* SandboxDriver
            const id = yield* make()
            const name = fc
              .string({ minLength: 1, maxLength: 30 })
              .filter((s) => !/[/\0]/.test(s) && s === Buffer.from(s).toString())
              .filter((s) => s.trim() !== "" && s !== "." && s !== "..")
            const folder = fc.dictionary(name, fc.string({ maxLength: 600 }), { maxKeys: 6 })
            let round = 0
            const roundTrip = Effect.fnUntraced(function* (files: Record<string, string>) {
              const path = `/work/round-${++round}`
              const entries = Object.entries(files).map(([path, text]) => ({ path, text }))
              yield* driver.putArchive(id, at(path), archiveOf(...entries))
              const found = yield* unpacked(id, path)
              const expected = entries.map(({ path, text }) => [
                path,
                `file 644 ${Buffer.from(text).toString()}`,
              ])
              assert.deepStrictEqual([...found].sort(), expected.sort())
            })
            yield* Effect.promise(() =>
              fc.assert(
                fc.asyncProperty(folder, (files) =>
                  Effect.runPromise(roundTrip(files).pipe(Effect.provideContext(context))),
                ),
                { numRuns: runs },
              ),
            )
          }).pipe(capturing),
        )

        check("replace what is in the way, and follow no link that lies in its place", () =>
          Effect.gen(function* () {
            const driver = yield* SandboxDriver
            const id = yield* make()
            yield* exec(id, "mkdir in; echo victim > victim; ln -s ../victim in/f; echo old > in/g")
            const hardLink = { kind: "hardlink" as const, size: 0, content: Stream.empty }
            yield* driver.putArchive(
              id,
              at("/work/in"),
              archiveOf(
                { path: "f", text: "new", mode: 0o640 },
                { path: "g", text: "newer" },
                { path: "h", linkTarget: "g", ...hardLink },
              ),
            )
            assert.strictEqual(yield* read(id, "/work/victim"), "victim\n")
            const found = yield* unpacked(id, "/work/in")
            assert.strictEqual(found.get("f"), "file 640 new")
            assert.strictEqual(yield* read(id, "/work/in/g"), "newer")
            assert.strictEqual(yield* read(id, "/work/in/h"), "newer")
            const outside = archiveOf({ path: "i", linkTarget: "../victim", ...hardLink })
            yield* Effect.result(driver.putArchive(id, at("/work/in"), outside))
            assert.strictEqual(yield* tagOf(read(id, "/work/in/i")), "FileNotFound")
          }),
        )

        check("that are hostile write nothing outside their folder", () =>
          Effect.gen(function* () {
            const driver = yield* SandboxDriver
            const id = yield* make()
            yield* write(id, "/work/victim", "untouched")
            const link = (linkTarget: string): Partial<ArchiveEntry> => ({
              kind: "symlink",
              linkTarget,
              size: 0,
              content: Stream.empty,
            })
            for (const archive of [
              archiveOf({ path: "../victim", text: "pwned" }),
              archiveOf({ path: "/work/victim", text: "pwned" }),
              archiveOf({ path: "up", ...link("..") }, { path: "up/victim", text: "pwned" }),
            ]) {
              // Refused, or unpacked somewhere inside, as the driver's tar has it.
              yield* Effect.result(driver.putArchive(id, at("/work/in"), archive))
              assert.strictEqual(yield* read(id, "/work/victim"), "untouched")
            }
          }),
        )

        check("that are broken or out of place are refused", () =>
          Effect.gen(function* () {
            const driver = yield* SandboxDriver
            const id = yield* make()
            yield* write(id, "/work/file", "x")
            const whole = Buffer.concat(
              yield* Stream.runCollect(archiveOf({ path: "big", text: "x".repeat(100_000) })),
            )
            const put = (
              archive: Stream.Stream<Uint8Array, { _tag: "Broken" }>,
              path = "/work/in",
            ) => tagOf(driver.putArchive(id, at(path), archive))
            assert.strictEqual(
              yield* put(Stream.succeed(whole.subarray(0, 50_000))),
              "InvalidArchive",
            )
            assert.strictEqual(yield* put(Stream.succeed(Buffer.alloc(2048, 65))), "InvalidArchive")
            const cut = Stream.concat(
              Stream.succeed(whole.subarray(0, 600)),
              Stream.fail({ _tag: "Broken" as const }),
            )
            assert.strictEqual(yield* put(cut), "Broken")
            assert.strictEqual(yield* put(Stream.succeed(whole), "/work/file"), "NotADirectory")
            const get = (path: string) => tagOf(Stream.runDrain(driver.getArchive(id, at(path))))
            assert.strictEqual(yield* get("/work/none"), "FileNotFound")
            assert.strictEqual(yield* get("/work/file"), "NotADirectory")
          }),
        )
      })

      // Properties run each case as a promise of its own, with the services of the test.
      let context: Context.Context<SandboxDriver>
      const capturing = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
        Effect.andThen(
          Effect.map(Effect.context<SandboxDriver>(), (current) => {
            context = current
          }),
          effect,
        )
    },
  )
}
