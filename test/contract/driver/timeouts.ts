import { SandboxDriver } from "@cordon/core"
import { assert, describe } from "@effect/vitest"
import { Duration, Effect, Fiber } from "effect"
import { printMatches } from "../../support/sandbox.ts"
import { type DriverStage, exec, out, write } from "./stage.ts"

/** How a command is ended from outside. */
export const timeoutsContract = ({ check, make, lacks }: DriverStage) =>
  describe("timeouts and interruption", () => {
    check("a timeout ends its command, and neither the sandbox nor another command", () =>
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

    check("a timeout ends a busy loop", () =>
      Effect.gen(function* () {
        const id = yield* make()
        const result = yield* exec(id, "while :; do :; done", { timeout: Duration.millis(500) })
        assert.isTrue(result.timedOut)
        assert.strictEqual(yield* out(id, "echo on"), "on\n")
      }),
    )

    check("an interrupted command does nothing more, and the next one runs", () =>
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

    check(
      "a timeout and an interruption kill all descendants of a command, daemons too",
      () =>
        Effect.gen(function* () {
          const id = yield* make()
          const alive = (mark: string) =>
            Effect.map(out(id, printMatches(`^sleep ${mark}`)), (lines) => lines.length)
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
  })
