import { SandboxDriver, type SandboxEvent, type SandboxId } from "@cordon/core"
import { assert, describe } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Stream } from "effect"
import { tagOf, until } from "../../support/effects.ts"
import { bytesOf, type DriverStage, exec, out, read, write } from "./stage.ts"

/** What happens to a sandbox between its creation and its removal. */
export const lifecycleContract = ({ check, make }: DriverStage) =>
  describe("lifecycle", () => {
    check("files survive stop and start, and each may be called twice", () =>
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

    check("stop and remove end the command that runs", () =>
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

    check("outlive is accepted while a command runs, and on a stopped sandbox", () =>
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

    check("events tell of creation, start, stop and removal", () =>
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        const seen: Array<SandboxEvent> = []
        const tagsOf = (id: SandboxId) =>
          seen.filter((event) => event.id === id).map(({ _tag }) => _tag)
        yield* driver.events.pipe(
          Stream.runForEach((event) => Effect.sync(() => void seen.push(event))),
          Effect.forkChild,
        )
        // Nothing says when the stream has begun, but an event of another sandbox that comes.
        const other = yield* make()
        yield* until(
          Effect.gen(function* () {
            yield* driver.stop(other)
            yield* driver.start(other)
            return tagsOf(other).length > 0
          }),
        )
        const id = yield* make()
        yield* exec(id, "true")
        yield* driver.stop(id)
        yield* driver.remove(id)
        yield* until(Effect.sync(() => tagsOf(id).includes("Removed")))
        assert.includeMembers(tagsOf(id), ["Created", "Started", "Stopped", "Removed"])
      }),
    )

    check("capabilities are told, and sweep removes nothing that is in use", () =>
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
  })
