import { assert, describe } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { core, credentials, gitHost, introduce } from "../support/gitHost.ts"
import { containerOf, engine, needing, withSession } from "./support.ts"

describe("credentials of a clone", () => {
  needing(
    "CORDON_TEST_GIT_IMAGE",
    "appear in no configuration, command or snapshot on the engine, during the clone or after",
    (image) =>
      withSession((session) =>
        Effect.gen(function* () {
          const host = yield* gitHost
          const sandbox = yield* session.create({ image })
          yield* introduce(sandbox, host.ca)
          const look = Effect.gen(function* () {
            const inspected = yield* containerOf(sandbox)
            const commands = yield* Effect.promise(() =>
              Promise.all((inspected.ExecIDs ?? []).map((id) => engine.getExec(id).inspect())),
            )
            return JSON.stringify([inspected, commands])
          })
          // It runs for as long as is looked.
          const stuck = sandbox.git.clone(`${host.url}/private/stuck.git`, { credentials })
          const asked = Effect.repeat(
            Effect.sync(() => host.asked.git.some(({ authorization }) => authorization)),
            { schedule: Schedule.spaced("50 millis"), until: (is) => is },
          )
          const during = yield* Effect.raceFirst(
            Effect.andThen(asked, look),
            Effect.andThen(stuck, Effect.never),
          )
          assert.include(during, "ExecIDs")
          assert.notInclude(during, core)
          yield* sandbox.git.clone(`${host.url}/private/project.git`, { credentials })
          assert.notInclude(yield* look, core)
          const snapshot = yield* sandbox.snapshot("cloned")
          yield* Effect.addFinalizer(() => Effect.ignore(session.snapshots.remove("cloned")))
          const of = engine.getImage(snapshot.image)
          const kept = yield* Effect.promise(() => Promise.all([of.inspect(), of.history()]))
          assert.notInclude(JSON.stringify(kept), core)
        }).pipe(Effect.scoped),
      ),
  )
})
