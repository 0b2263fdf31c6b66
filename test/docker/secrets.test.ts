import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { engine, onEngine, withSession } from "./support.ts"

const secret = "s3cret-that-nobody-sees"

describe("secrets", () => {
  onEngine(
    "of a sandbox appear in no configuration, command, file change or snapshot on the engine",
    () =>
      withSession((session) =>
        Effect.gen(function* () {
          const sandbox = yield* session.create({ network: "none", secrets: { TOKEN: secret } })
          const has = "printf %s $TOKEN | wc -c"
          assert.strictEqual((yield* sandbox.run(has)).stdout.trim(), String(secret.length))
          const process = yield* sandbox.processes.start(`${has}; sleep 1000`)
          // Its shell holds the secret in its environment while the engine is looked at.
          yield* Effect.repeat(process.logs(), { until: ({ stdout }) => stdout !== "" })
          assert.strictEqual((yield* process.logs()).stdout.trim(), String(secret.length))
          const running = yield* Effect.forkScoped(sandbox.run(`${has}; sleep 5`))
          yield* Effect.repeat(sandbox.inspect, { until: ({ busy }) => busy === true })

          const { instanceId } = yield* sandbox.inspect
          const container = engine.getContainer(instanceId)
          const inspected = yield* Effect.promise(() => container.inspect())
          const commands = yield* Effect.promise(() =>
            Promise.all((inspected.ExecIDs ?? []).map((id) => engine.getExec(id).inspect())),
          )
          const until = Math.ceil(Date.now() / 1000)
          const events = yield* Effect.promise(async () => {
            const stream = await engine.getEvents({
              since: until - 600,
              until,
              filters: { container: [instanceId] },
            })
            const pieces: Array<string> = []
            for await (const piece of stream) pieces.push(String(piece))
            return pieces
          })
          assert.isNotEmpty(events)
          const snapshot = yield* sandbox.snapshot("seen")
          const imageOf = engine.getImage(snapshot.image)
          const seen = [
            inspected,
            commands,
            events.join(""),
            yield* Effect.promise(() => imageOf.inspect()),
            yield* Effect.promise(() => imageOf.history()),
            yield* sandbox.processes.list,
          ]
          for (const what of seen) assert.notInclude(JSON.stringify(what), secret)
          // Nor in any file that a fork of it finds.
          const fork = yield* session.create({ network: "none", snapshot: "seen" })
          const { matches } = yield* fork.files.search(secret, { path: "/tmp", exclude: [] })
          assert.isEmpty(matches)
          yield* fork.remove
          yield* session.snapshots.remove("seen")
          running.interruptUnsafe()
        }).pipe(Effect.scoped),
      ),
  )
})
