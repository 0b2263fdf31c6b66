import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  LeaseStore,
  type LeaseStoreFailed,
  leaseStoreMemory,
  Sandboxes,
  type SettingsInput,
} from "@cordon/core"
import * as docker from "@cordon/driver-docker"
import { postgres } from "@cordon/lease-store-postgres"
import { sqlite } from "@cordon/lease-store-sqlite"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Context, Effect, Fiber, Layer } from "effect"
import { makeRemote } from "../../packages/core/test/leaseStage.ts"
import { makeSettableClock } from "../support/clocks.ts"
import { noEngine } from "../support/docker.ts"
import { freshSessionId } from "../support/sandbox.ts"
import { skipped } from "../support/skipped.ts"
import { image, onBoth, usePostgres } from "./support.ts"

const server = usePostgres()

const onEngine = <E>(name: string, body: () => Effect.Effect<unknown, E>) =>
  noEngine === undefined ? it.live(name, body, 120_000) : skipped(name, noEngine)

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "cordon-outage-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true })),
)

/** Two workers on one engine, with a store that can be away for both. */
const makeWorkers = Effect.fnUntraced(function* (
  layer: Layer.Layer<LeaseStore, LeaseStoreFailed>,
  settings: SettingsInput,
) {
  const sessionId = freshSessionId()
  const work = Effect.gen(function* () {
    const opened = yield* Layer.build(Layer.fresh(layer))
    const remote = makeRemote(Context.get(opened, LeaseStore))
    const sandboxes = yield* Layer.build(
      Sandboxes.layerStore({
        image,
        network: "none",
        limits: { memory: "64MiB", pids: 64 },
        removeOnClose: false,
        ...settings,
      }).pipe(
        Layer.provide(docker.layer()),
        Layer.provide(Layer.succeed(LeaseStore, remote.store)),
      ),
    )
    const session = yield* Context.get(sandboxes, Sandboxes).session(sessionId)
    return { session, setAway: remote.setAway }
  })
  return [yield* work, yield* work] as const
})

/** What is in use outlives an outage of several leases, and what is not goes in time. */
const outage = Effect.fnUntraced(function* (layer: Layer.Layer<LeaseStore, LeaseStoreFailed>) {
  const [one, other] = yield* makeWorkers(layer, { idleTimeout: 2000, removeTimeout: 5000 })
  const used = yield* one.session.create({ name: "used" })
  yield* used.files.write("keep", "precious")
  yield* one.session.create({ name: "unused" })
  const running = yield* Effect.forkScoped(used.run("sleep 20; cat keep"))
  yield* Effect.sleep("1 second")
  yield* Effect.all([one.setAway(true), other.setAway(true)])
  yield* Effect.sleep("12 seconds")
  // The holder comes last.
  yield* other.setAway(false)
  yield* Effect.sleep("250 millis")
  yield* one.setAway(false)
  assert.strictEqual((yield* Fiber.join(running)).stdout, "precious")
  // It had been away for all the time that an unused one has.
  yield* Effect.repeat(other.session.list, { until: (list) => list.length === 1 })
  yield* used.remove
})

describe("an outage of the lease store that is longer than the leases", () => {
  onEngine("ends no sandbox in use: SQLite", () =>
    Effect.gen(function* () {
      yield* outage(sqlite({ filename: join(yield* folder, "leases.db") }))
    }).pipe(Effect.scoped),
  )

  onEngine("ends no sandbox in use: memory", () => Effect.scoped(outage(leaseStoreMemory)))

  onBoth("ends no sandbox in use: PostgreSQL", () =>
    Effect.gen(function* () {
      yield* outage(postgres({ url: yield* Effect.promise(server.get().createDatabase) }))
    }).pipe(Effect.scoped),
  )
})

describe("a clock that jumps", () => {
  for (const minutes of [30, -30]) {
    onEngine(`by ${minutes} minutes ends no sandbox that is in use or was just used`, () =>
      Effect.gen(function* () {
        const { clock, jump } = yield* makeSettableClock
        const layer = sqlite({ filename: join(yield* folder, "leases.db") })
        const [one, other] = yield* makeWorkers(layer, {
          idleTimeout: "3 seconds",
          removeTimeout: "10 minutes",
        }).pipe(Effect.provideService(Clock.Clock, clock))
        const used = yield* one.session.create({ name: "used" })
        yield* used.files.write("keep", "precious")
        const running = yield* Effect.forkScoped(used.run("sleep 6; cat keep"))
        const unused = yield* other.session.create({ name: "unused" })
        yield* unused.files.write("keep", "as well")
        yield* Effect.sleep("500 millis")
        yield* jump(minutes * 60_000)
        assert.strictEqual((yield* Fiber.join(running)).stdout, "precious")
        assert.strictEqual(yield* unused.files.readText("keep"), "as well")
        yield* Effect.forEach([used, unused], (sandbox) => sandbox.remove)
      }).pipe(Effect.scoped),
    )
  }
})
