import { Sandboxes, type SandboxSession } from "@cordon/core"
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber, Schedule } from "effect"
import { engine } from "../docker/support.ts"
import { layerHere, makeStage, onBoth, untilNothingIsLeft, usePostgres } from "./support.ts"

const server = usePostgres()

const until = (session: SandboxSession, name: string, expected: string) =>
  Effect.gen(function* () {
    const found = (yield* session.list).find((info) => info.name === name)
    const status = found?.status ?? "gone"
    if (status !== expected) return yield* Effect.fail(`${name} is ${status}, not ${expected}`)
  }).pipe(Effect.retry(Schedule.spaced("100 millis")))

const failure = (answer: unknown) =>
  typeof answer === "object" && answer !== null && "error" in answer ? answer.error : answer

describe("a worker that is paused (SIGSTOP) for longer than its lease", () => {
  const terms = { idleTimeout: 2000, removeTimeout: 5000 }
  const script = "while :; do echo late >> log; sleep 0.1; done"

  onBoth(
    "loses the lease to a worker that made the sandbox anew, and does not touch the new files",
    () =>
      Effect.gen(function* () {
        const { database, sessionId, worker } = yield* makeStage(server.get(), terms)
        const sleeper = yield* worker()
        yield* Effect.promise(() => sleeper.order({ op: "create", name: "box" }))
        const answer = sleeper.order({ op: "exec", name: "box", script })
        yield* Effect.gen(function* () {
          const session = yield* (yield* Sandboxes).session(sessionId)
          const first = yield* session.get("box")
          yield* Effect.retry(first.files.readText("log"), Schedule.spaced("100 millis"))
          sleeper.signal("SIGSTOP")
          yield* until(session, "box", "stopped")
          yield* until(session, "box", "gone")
          const second = yield* session.create({ name: "box" })
          yield* second.files.write("log", "mine\n")
          sleeper.signal("SIGCONT")
          assert.strictEqual(failure(yield* Effect.promise(() => answer)), "LeaseLost")
          // Time in which it would do whatever it might still be about to do.
          yield* Effect.repeat(second.exec("true"), {
            schedule: Schedule.spaced("500 millis"),
            times: 6,
          })
          const now = yield* second.inspect
          assert.strictEqual(now.instanceId, second.info.instanceId)
          assert.strictEqual(now.status, "running")
          assert.strictEqual(yield* second.files.readText("log"), "mine\n")
          assert.strictEqual((yield* Effect.flip(first.exec("true")))._tag, "LeaseLost")
          // Asked anew, it is a worker like any other.
          const again = yield* Effect.promise(() =>
            sleeper.order({ op: "exec", name: "box", script: "cat log" }),
          )
          assert(again !== "killed" && "ok" in again, JSON.stringify(again))
          assert.strictEqual(again.ok, "mine\n")
          yield* second.remove
          yield* untilNothingIsLeft(session, second.id)
        }).pipe(Effect.provide(layerHere(database, terms)))
      }).pipe(Effect.scoped),
  )

  onBoth(
    "loses the lease to a worker that stopped and started the sandbox, which keeps running",
    () =>
      Effect.gen(function* () {
        const { database, sessionId, worker } = yield* makeStage(server.get(), {
          idleTimeout: 2000,
          removeTimeout: 60_000,
        })
        const sleeper = yield* worker()
        yield* Effect.promise(() => sleeper.order({ op: "create", name: "box" }))
        const answer = sleeper.order({ op: "exec", name: "box", script })
        yield* Effect.gen(function* () {
          const session = yield* (yield* Sandboxes).session(sessionId)
          const sandbox = yield* session.get("box")
          yield* Effect.retry(sandbox.files.readText("log"), Schedule.spaced("100 millis"))
          sleeper.signal("SIGSTOP")
          yield* until(session, "box", "stopped")
          const started = yield* sandbox.exec("cp log seen; echo started")
          assert.strictEqual(started.stdout, "started\n")
          const working = yield* Effect.forkScoped(sandbox.run("sleep 4; cat seen"))
          const { State } = yield* Effect.promise(() =>
            engine.getContainer(sandbox.info.instanceId).inspect(),
          )
          sleeper.signal("SIGCONT")
          assert.strictEqual(failure(yield* Effect.promise(() => answer)), "LeaseLost")
          const { stdout } = yield* Fiber.join(working)
          assert.match(stdout, /^late\n/)
          const after = yield* Effect.promise(() =>
            engine.getContainer(sandbox.info.instanceId).inspect(),
          )
          assert.strictEqual(after.State.StartedAt, State.StartedAt)
          yield* sandbox.remove
          yield* untilNothingIsLeft(session, sandbox.id)
        }).pipe(Effect.provide(layerHere(database, { idleTimeout: 2000, removeTimeout: 60_000 })))
      }).pipe(Effect.scoped),
  )
})

describe("workers whose clocks are minutes apart", () => {
  onBoth("keep the sandboxes in use, and agree on which ones are idle", () =>
    Effect.gen(function* () {
      const terms = { idleTimeout: 3000, removeTimeout: 7000 }
      const { database, sessionId, worker } = yield* makeStage(server.get(), terms)
      const workers = yield* Effect.all(
        [worker({ clockSkew: 7 * 60_000 }), worker({ clockSkew: -7 * 60_000 })],
        { concurrency: 2 },
      )
      const startedAt = yield* Effect.forEach(workers, (worker, n) =>
        Effect.promise(async () => {
          const made = await worker.order({ op: "create", name: `box-${n}` })
          assert(made !== "killed" && "ok" in made, JSON.stringify(made))
          return (await engine.getContainer(made.ok).inspect()).State.StartedAt
        }),
      )
      // For longer than both terms.
      for (let round = 0; round < 16; round++) {
        yield* Effect.forEach(workers, (worker, n) =>
          Effect.promise(async () => {
            const answer = await worker.order({ op: "exec", name: `box-${n}`, script: "echo on" })
            assert.deepInclude(answer, { ok: "on\n" })
          }),
        )
        yield* Effect.sleep("500 millis")
      }
      yield* Effect.gen(function* () {
        const session = yield* (yield* Sandboxes).session(sessionId)
        const list = yield* session.list
        const now = yield* Effect.forEach(list, ({ instanceId }) =>
          Effect.promise(() => engine.getContainer(instanceId).inspect()),
        )
        assert.deepStrictEqual(now.map(({ State }) => State.StartedAt).sort(), startedAt.toSorted())
        yield* untilNothingIsLeft(session, list[0]?.id ?? "")
      }).pipe(Effect.provide(layerHere(database, terms)))
    }).pipe(Effect.scoped),
  )
})

describe("a restart of PostgreSQL", () => {
  onBoth("during creations, uses and removals loses no sandbox and leaves none behind", () =>
    Effect.gen(function* () {
      const terms = { idleTimeout: 5000, removeTimeout: 8000 }
      const { database, sessionId, worker } = yield* makeStage(server.get(), terms)
      const workers = yield* Effect.all([worker(), worker()], { concurrency: 2 })
      yield* Effect.gen(function* () {
        const session = yield* (yield* Sandboxes).session(sessionId)
        const kept = yield* session.create({ name: "kept" })
        yield* kept.files.write("kept", "yes")
        const long = yield* Effect.forkScoped(kept.run("sleep 9; cat kept"))
        const errors: Array<string> = []
        const churn = yield* Effect.forkScoped(
          Effect.forEach(
            workers,
            (worker, n) =>
              Effect.promise(async () => {
                for (let round = 0; round < 6; round++) {
                  const name = `box-${n}-${round}`
                  for (const order of [
                    { op: "create", name },
                    { op: "exec", name, script: "echo on" },
                    { op: "remove", name },
                  ] as const) {
                    const answer = await worker.order(order)
                    if (answer === "killed" || "error" in answer) {
                      errors.push(answer === "killed" ? answer : answer.error)
                    }
                  }
                }
              }),
            { concurrency: 2 },
          ),
        )
        yield* Effect.sleep("1 second")
        yield* Effect.promise(() => server.get().restart())
        yield* Fiber.join(churn)
        // Most wait it out. What failed said that it was the store, or follows from what had.
        const allowed = ["LeaseStoreFailed", "LeaseLost", "SandboxNotFound"]
        assert.deepStrictEqual(
          errors.filter((error) => !allowed.includes(error)),
          [],
        )
        assert.strictEqual((yield* Fiber.join(long)).stdout, "yes")
        // On a busy machine the others may go on for longer than its lease.
        yield* Effect.catchTag(kept.remove, "SandboxNotFound", () => Effect.void)
        yield* untilNothingIsLeft(session, kept.id)
      }).pipe(Effect.provide(layerHere(database, terms)))
    }).pipe(Effect.scoped),
  )
})
