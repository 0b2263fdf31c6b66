import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { SandboxDriver, Sandboxes, type SandboxSession } from "@cordon/core"
import * as docker from "@cordon/driver-docker"
import { assert, describe } from "@effect/vitest"
import { Duration, Effect, Layer, Schedule } from "effect"
import { freshSessionId } from "../support/sandbox.ts"
import { engine, image, networkOf, onEngine, ownedBy, textOf, withSession } from "./support.ts"

const short = { idleTimeout: "2 seconds", removeTimeout: "5 seconds" } as const

/** Waits until a session's sandboxes have these statuses; a hang is the test's timeout. */
const until = (session: SandboxSession, expected: string) =>
  Effect.gen(function* () {
    const statuses = (yield* session.list).map((info) => info.status).join()
    if (statuses !== expected) return yield* Effect.fail(`is ${statuses}, not ${expected}`)
  }).pipe(Effect.retry(Schedule.spaced("100 millis")))

describe("leases on a real engine", () => {
  onEngine("stop an idle sandbox, start it on its next use, and remove it with its network", () =>
    withSession(
      (session) =>
        Effect.gen(function* () {
          const sandbox = yield* session.create()
          yield* sandbox.files.write("kept", "yes")
          yield* until(session, "stopped")
          assert.strictEqual(yield* textOf(sandbox, "cat kept"), "yes")
          // One command for longer than both timeouts: it is in use.
          assert.strictEqual(yield* textOf(sandbox, "sleep 6; cat kept"), "yes")
          assert.strictEqual((yield* sandbox.inspect).status, "running")
          yield* until(session, "")
          assert.deepStrictEqual(yield* Effect.promise(() => ownedBy(sandbox.id)), {
            containers: 0,
            networks: 0,
          })
        }),
      short,
    ),
  )

  onEngine("find sandboxes of a killed process by label, and remove them", () =>
    Effect.gen(function* () {
      const sessionId = freshSessionId()
      const child = spawn(
        process.execPath,
        ["--conditions=@cordon/source", join(import.meta.dirname, "crash.ts"), sessionId, image],
        { stdio: ["ignore", "pipe", "inherit"] },
      )
      const [line] = yield* Effect.promise(() => once(child.stdout, "data"))
      const id = String(line).trim()
      child.kill("SIGKILL")
      yield* Effect.promise(() => once(child, "exit"))
      assert.deepStrictEqual(yield* Effect.promise(() => ownedBy(id)), {
        containers: 1,
        networks: 1,
      })
      yield* Effect.gen(function* () {
        const session = yield* (yield* Sandboxes).session(sessionId)
        yield* until(session, "stopped")
        yield* until(session, "")
      }).pipe(
        Effect.provide(Sandboxes.layer(short).pipe(Layer.provide(docker.layer()))),
        Effect.scoped,
      )
      assert.deepStrictEqual(yield* Effect.promise(() => ownedBy(id)), {
        containers: 0,
        networks: 0,
      })
    }),
  )

  onEngine("remove an old network whose sandbox was never made", () =>
    withSession((session) =>
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        const probe = yield* session.create({ name: "probe" })
        // As a process leaves it that dies between the making of the network and of the container.
        const { Labels = {}, IPAM } = yield* networkOf(probe)
        yield* probe.remove
        assert.strictEqual((yield* Effect.promise(() => ownedBy(probe.id))).networks, 0)
        yield* Effect.promise(() =>
          engine.createNetwork({ Name: probe.id, Labels, IPAM: { Config: IPAM?.Config ?? [] } }),
        )
        assert.notInclude(yield* driver.sweep(Duration.hours(1)), probe.id)
        const survivor = yield* session.create({ name: "survivor" })
        // Old enough for the sweep, and older than what other tests are making right now.
        yield* Effect.sleep("6 seconds")
        assert.include(yield* driver.sweep(Duration.seconds(5)), probe.id)
        assert.deepStrictEqual(yield* Effect.promise(() => ownedBy(survivor.id)), {
          containers: 1,
          networks: 1,
        })
      }),
    ),
  )
})
