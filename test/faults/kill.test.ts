import {
  type Sandbox,
  Sandboxes,
  SandboxName,
  SessionId,
  sandboxId,
  sessionKey,
} from "@cordon/core"
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber, Schedule } from "effect"
import { freshSessionId } from "../support/sandbox.ts"
import type { Answer } from "./protocol.ts"
import {
  layerHere,
  makeStage,
  onBoth,
  untilNothingIsLeft,
  usePostgres,
  watchDestroyed,
} from "./support.ts"

const server = usePostgres()
const short = { idleTimeout: 2000, removeTimeout: 5000 }

/** A sandbox that this process uses all the while: nothing that happens to others may touch it. */
const bystander = Effect.gen(function* () {
  const session = yield* (yield* Sandboxes).session(freshSessionId())
  const sandbox = yield* session.create({ name: "bystander" })
  yield* sandbox.files.write("kept", "yes")
  const using = yield* Effect.forkScoped(
    Effect.repeat(sandbox.exec("true"), Schedule.spaced("400 millis")),
  )
  return {
    check: Effect.gen(function* () {
      assert.isUndefined(using.pollUnsafe(), "the bystander's commands went on")
      yield* Fiber.interrupt(using)
      assert.strictEqual(yield* sandbox.files.readText("kept"), "yes")
      assert.strictEqual((yield* sandbox.inspect).instanceId, sandbox.info.instanceId)
      yield* sandbox.remove
    }),
  }
})

/** Tells which session is meant, by the ID of one of its sandboxes. */
const idOf = (sessionId: string) =>
  sandboxId(sessionKey(SessionId.make(sessionId)), SandboxName.make("whole"))

/** Up to three at once: each is a process. */
const each = <A, E, R>(steps: number, f: (step: number) => Effect.Effect<A, E, R>) =>
  Effect.forEach(
    Array.from({ length: steps }, (_, n) => n + 1),
    f,
    { concurrency: 3 },
  )

/** Some take a step more than others, by a renewal: that one is then not there for all. */
const assertDied = (answer: Answer | "killed", step: number) => {
  if (answer === "killed") return
  assert.isAbove(step, 4)
  assert.isBelow(answer.steps, step, JSON.stringify(answer))
}

describe("a worker that is killed (SIGKILL)", () => {
  onBoth("at any step of create leaves nothing behind for long", () =>
    Effect.gen(function* () {
      const { database, sessionId, worker } = yield* makeStage(server.get(), short)
      const { destroyed } = yield* watchDestroyed
      const probe = yield* worker({ reaps: false })
      const whole = yield* Effect.promise(() => probe.order({ op: "create", name: "whole" }))
      assert(whole !== "killed" && "ok" in whole, JSON.stringify(whole))
      assert.isAtLeast(whole.steps, 6)
      yield* Effect.promise(() => probe[Symbol.asyncDispose]())
      yield* each(whole.steps, (step) =>
        Effect.scoped(
          Effect.gen(function* () {
            const dying = yield* worker({ reaps: false })
            const answer = yield* Effect.promise(() =>
              dying.order({ op: "create", name: `box-${step}`, dieAt: step }),
            )
            assertDied(answer, step)
          }),
        ),
      )
      yield* Effect.gen(function* () {
        const session = yield* (yield* Sandboxes).session(sessionId)
        const other = yield* bystander
        yield* Effect.sleep("1 second")
        yield* other.check
        yield* untilNothingIsLeft(session, idOf(sessionId))
      }).pipe(Effect.provide(layerHere(database, short)))
      assert.isAtLeast(destroyed.size, 2)
      assert.deepStrictEqual(
        [...destroyed.values()].filter((times) => times !== 1),
        [],
      )
    }).pipe(Effect.scoped),
  )

  onBoth("at any step of exec loses no file of its sandbox, and does not keep it alive", () =>
    Effect.gen(function* () {
      const terms = { idleTimeout: 3000, removeTimeout: 600_000 }
      const { database, sessionId, worker } = yield* makeStage(server.get(), terms)
      const script = "cat kept; sleep 1000 & sleep 0.2"
      yield* Effect.gen(function* () {
        const session = yield* (yield* Sandboxes).session(sessionId)
        const make = (name: string) =>
          Effect.tap(session.create({ name }), (sandbox) => sandbox.files.write("kept", name))
        yield* make("whole")
        const probe = yield* worker({ reaps: false })
        const whole = yield* Effect.promise(() =>
          probe.order({ op: "exec", name: "whole", script }),
        )
        assert(whole !== "killed" && "ok" in whole, JSON.stringify(whole))
        assert.strictEqual(whole.ok, "whole")
        assert.isAtLeast(whole.steps, 3)
        const boxes = yield* each(whole.steps, (step) =>
          Effect.scoped(
            Effect.gen(function* () {
              const sandbox = yield* make(`box-${step}`)
              const dying = yield* worker({ reaps: false })
              const answer = yield* Effect.promise(() =>
                dying.order({ op: "exec", name: `box-${step}`, script, dieAt: step }),
              )
              assertDied(answer, step)
              return sandbox
            }),
          ),
        )
        // Whatever the dead worker left running in it, its lease runs out.
        const stopped = (sandbox: Sandbox) =>
          Effect.gen(function* () {
            const { status } = yield* sandbox.inspect
            if (status !== "stopped") return yield* Effect.fail(status)
          }).pipe(Effect.retry(Schedule.spaced("200 millis")))
        yield* Effect.forEach(boxes, stopped, { concurrency: "unbounded" })
        yield* Effect.forEach(boxes, (sandbox) =>
          Effect.gen(function* () {
            assert.strictEqual(yield* sandbox.files.readText("kept"), sandbox.name)
            yield* sandbox.remove
          }),
        )
        yield* (yield* session.get("whole")).remove
        yield* untilNothingIsLeft(session, idOf(sessionId))
      }).pipe(Effect.provide(layerHere(database, terms)))
    }).pipe(Effect.scoped),
  )

  onBoth("at any step of remove leaves its sandbox whole or gone, and its name usable", () =>
    Effect.gen(function* () {
      const { database, sessionId, worker } = yield* makeStage(server.get(), {
        idleTimeout: 5000,
        removeTimeout: 8000,
      })
      const { destroyed } = yield* watchDestroyed
      const settings = { idleTimeout: 5000, removeTimeout: 8000 }
      yield* Effect.gen(function* () {
        const session = yield* (yield* Sandboxes).session(sessionId)
        const other = yield* bystander
        yield* session.create({ name: "whole" })
        const probe = yield* worker({ reaps: false })
        const whole = yield* Effect.promise(() => probe.order({ op: "remove", name: "whole" }))
        assert(whole !== "killed" && "ok" in whole, JSON.stringify(whole))
        assert.isAtLeast(whole.steps, 4)
        yield* each(whole.steps, (step) =>
          Effect.scoped(
            Effect.gen(function* () {
              const dying = yield* worker({ reaps: false })
              const name = `box-${step}`
              const first = yield* session.create({ name })
              yield* first.files.write("kept", "yes")
              const answer = yield* Effect.promise(() =>
                dying.order({ op: "remove", name, dieAt: step }),
              )
              assertDied(answer, step)
              const second = yield* Effect.result(session.create({ name }))
              if (second._tag === "Failure") {
                assert.strictEqual(second.failure._tag, "SandboxNameTaken")
                assert.strictEqual(yield* first.files.readText("kept"), "yes")
              } else {
                const error = yield* Effect.flip(first.exec("true"))
                assert.strictEqual(error._tag, "LeaseLost")
                assert.strictEqual((yield* second.success.exec("test -e kept")).exitCode, 1)
              }
            }),
          ),
        )
        yield* other.check
        yield* untilNothingIsLeft(session, idOf(sessionId))
      }).pipe(Effect.provide(layerHere(database, settings)))
      assert.deepStrictEqual(
        [...destroyed.values()].filter((times) => times !== 1),
        [],
      )
    }).pipe(Effect.scoped),
  )
})
