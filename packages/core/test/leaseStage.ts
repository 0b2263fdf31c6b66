import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as memory from "@cordon/driver-memory"
import { sqlite } from "@cordon/lease-store-sqlite"
import { assert } from "@effect/vitest"
import { Context, Effect, Layer, type Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import {
  type Lease,
  LeaseStore,
  LeaseStoreFailed,
  Leases,
  leaseStoreMemory,
  SandboxDriver,
  Sandboxes,
  Settings,
  type SettingsInput,
} from "../src/index.ts"

export type Driver = SandboxDriver["Service"]
export type Store = LeaseStore["Service"]

const serviceOf = <I, S, E>(tag: Context.Service<I, S>, layer: Layer.Layer<I, E>) =>
  Effect.map(Layer.build(Layer.fresh(layer)), (context) => Context.get(context, tag))

export const makeDriver: Effect.Effect<Driver, never, Scope.Scope> = serviceOf(
  SandboxDriver,
  memory.layer(),
)

/** A store of its own in memory. */
export const memoryStore: Effect.Effect<Store, never, Scope.Scope> = serviceOf(
  LeaseStore,
  leaseStoreMemory,
)

/** How a store is opened, as often as there are processes. */
export interface Storage {
  readonly name: string
  readonly open: Effect.Effect<
    Effect.Effect<Store, LeaseStoreFailed, Scope.Scope>,
    never,
    Scope.Scope
  >
}

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "cordon-leases-"))),
  (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true })),
)

/** One store in memory, and one in a file that each process opens for itself. */
export const storages: ReadonlyArray<Storage> = [
  {
    name: "memory",
    open: Effect.map(memoryStore, (store) => Effect.succeed(store)),
  },
  {
    name: "SQLite",
    open: Effect.map(folder, (folder) =>
      serviceOf(LeaseStore, sqlite({ filename: join(folder, "leases.db") })),
    ),
  },
]

/** A store that can be away, or say nothing at all. */
export const makeRemote = (store: Store) => {
  let away = false
  let silent = false
  const guarded =
    <A extends ReadonlyArray<unknown>, B>(
      call: (...args: A) => Effect.Effect<B, LeaseStoreFailed>,
    ) =>
    (...args: A) =>
      Effect.suspend(() =>
        silent
          ? // Not even that it was told to leave off.
            Effect.uninterruptible(Effect.never)
          : away
            ? Effect.fail(new LeaseStoreFailed({ operation: "answer", reason: "it is away" }))
            : call(...args),
      )
  const remote: Store = {
    shared: store.shared,
    id: store.id,
    beat: guarded(store.beat),
    get: guarded(store.get),
    list: guarded(store.list),
    insert: guarded(store.insert),
    renew: guarded(store.renew),
    change: guarded(store.change),
    claimDue: guarded(store.claimDue),
    delete: guarded(store.delete),
    takeTurn: guarded(store.takeTurn),
  }
  return {
    store: remote,
    setAway: (is: boolean) =>
      Effect.sync(() => {
        away = is
      }),
    setSilent: (is: boolean) =>
      Effect.sync(() => {
        silent = is
      }),
  }
}

/** One process of a program. */
export const startProcess = Effect.fnUntraced(function* (
  driver: Driver,
  store: Store,
  settings: SettingsInput = {},
) {
  const context = yield* Layer.build(
    Sandboxes.layerLeases.pipe(
      Layer.provideMerge(Leases.layer),
      Layer.provide(Settings.layer({ removeOnClose: false, ...settings })),
      Layer.provide(Layer.succeed(SandboxDriver, driver)),
      Layer.provide(Layer.succeed(LeaseStore, store)),
    ),
  )
  const session = yield* Context.get(context, Sandboxes).session("s")
  return { session, leases: Context.get(context, Leases) }
})

/** Lets what runs in the background act. */
export const settle = Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))

/** Lets time pass in steps, and what runs in the background act after each. */
export const pass = Effect.fnUntraced(function* (minutes: number) {
  for (let step = 0; step < minutes * 4; step++) {
    yield* TestClock.adjust("15 seconds")
    yield* settle
  }
})

export const only = (leases: ReadonlyArray<Lease>): Lease => {
  const [lease] = leases
  assert.strictEqual(leases.length, 1)
  assert.isDefined(lease)
  return lease
}

/** A driver that tells of nothing that happens on it. */
export const silent = (driver: Driver): Driver => ({ ...driver, events: Stream.never })
