import {
  LeaseStore,
  SandboxDriver,
  Sandboxes,
  type SandboxSession,
  type SettingsInput,
} from "@cordon/core"
import * as docker from "@cordon/driver-docker"
import { postgres } from "@cordon/lease-store-postgres"
import { afterAll, beforeAll, it } from "@effect/vitest"
import { Duration, Effect, Layer, Schedule } from "effect"
import { engine, ownedBy } from "../docker/support.ts"
import { noEngine, socketPath } from "../support/docker.ts"
import { type Dockerd, noDockerd, startDockerd } from "../support/dockerd.ts"
import { noPostgres, type Postgres, startPostgres } from "../support/postgres.ts"
import { freshSessionId } from "../support/sandbox.ts"
import { skipped } from "../support/skipped.ts"
import { startWorker, type WorkerOptions } from "./protocol.ts"

/** Small and quick to start: these tests are about who does what, not about what runs inside. */
export const image =
  process.env["CORDON_TEST_BUSYBOX_IMAGE"] ?? process.env["CORDON_TEST_IMAGE"] ?? "busybox:latest"

const missing = noEngine ?? noPostgres

/** A PostgreSQL server for the tests of a file. */
export const usePostgres = () => {
  let server: Postgres | undefined
  beforeAll(async () => {
    if (missing === undefined) server = await startPostgres()
  })
  afterAll(() => server?.[Symbol.asyncDispose]())
  return {
    get: (): Postgres => {
      if (server === undefined) throw new Error("PostgreSQL is not running")
      return server
    },
  }
}

/** An engine for the tests of a file, which they may stop; its tests are skipped where it can't be had. */
export const useDockerd = () => {
  let daemon: Dockerd | undefined
  beforeAll(async () => {
    if (noDockerd !== undefined) return
    daemon = await startDockerd({ liveRestore: false, image, from: engine })
  })
  afterAll(() => daemon?.[Symbol.asyncDispose]())
  return {
    test: (name: string, body: (daemon: Dockerd) => Promise<void>, timeout: number) =>
      noDockerd === undefined
        ? it(
            name,
            async () => {
              if (daemon === undefined) throw new Error("dockerd is not running")
              await body(daemon)
            },
            timeout,
          )
        : skipped(name, noDockerd),
  }
}

/** A test on a real engine and a real database, skipped with the reason where one is missing. */
export const onBoth = <E>(
  name: string,
  body: () => Effect.Effect<unknown, E>,
  timeout = 180_000,
) => (missing === undefined ? it.live(name, body, timeout) : skipped(name, missing))

export interface Terms {
  /** Milliseconds. */
  readonly idleTimeout: number
  readonly removeTimeout: number
}

/** A database of the test's own, and worker processes that share it. */
export const makeStage = Effect.fnUntraced(function* (server: Postgres, terms: Terms) {
  const database = yield* Effect.promise(server.createDatabase)
  const sessionId = freshSessionId()
  const worker = (options: Partial<WorkerOptions> = {}) =>
    Effect.acquireRelease(
      Effect.promise(() =>
        startWorker({ database, socketPath, image, sessionId, ...terms, ...options }),
      ),
      (worker) => Effect.promise(() => worker[Symbol.asyncDispose]()),
    )
  return { database, sessionId, worker }
})

/** This process as one more worker: a session, and what it stands on. */
export const layerHere = (database: string, settings: SettingsInput, driver = docker.layer()) =>
  Sandboxes.layerStore({
    image,
    network: "internal",
    limits: { memory: "64MiB", pids: 64 },
    removeOnClose: false,
    ...settings,
  }).pipe(Layer.provideMerge(driver), Layer.provideMerge(postgres({ url: database })))

/** Waits until neither engine nor store has anything of the session; a hang is the test's timeout. */
export const untilNothingIsLeft = Effect.fnUntraced(function* (
  session: SandboxSession,
  id: string,
) {
  const store = yield* LeaseStore
  const driver = yield* SandboxDriver
  const { hostId } = yield* driver.capabilities
  yield* Effect.gen(function* () {
    // As the reaper does with those that are older still.
    yield* driver.sweep(Duration.seconds(10))
    const { containers, networks } = yield* Effect.promise(() => ownedBy(id))
    const leases = (yield* store.list(hostId)).length
    const left = { containers, networks, leases }
    if (containers + networks + leases > 0) return yield* Effect.fail(JSON.stringify(left))
  }).pipe(Effect.retry(Schedule.spaced("500 millis")))
  return yield* session.list
})

/** Counts how often each container of ours is destroyed, for as long as the scope lives. */
export const watchDestroyed = Effect.acquireRelease(
  Effect.promise(async () => {
    const destroyed = new Map<string, number>()
    const events = await engine.getEvents({
      filters: { type: ["container"], event: ["destroy"], label: ["dev.cordon.id"] },
    })
    let rest = ""
    events.on("data", (chunk: Buffer) => {
      const lines = (rest + chunk.toString()).split("\n")
      rest = lines.pop() ?? ""
      for (const line of lines) {
        const { Actor } = JSON.parse(line)
        destroyed.set(Actor.ID, (destroyed.get(Actor.ID) ?? 0) + 1)
      }
    })
    return { destroyed, events }
  }),
  ({ events }) =>
    Effect.sync(() => {
      if ("destroy" in events && typeof events.destroy === "function") events.destroy()
    }),
)
