/** Hosts that fail with errors full of what a model must not read, and what it may read of each. */
import {
  EngineError,
  EngineUnreachable,
  type HostError,
  InvalidInput,
  LeaseStore,
  LeaseStoreFailed,
  leaseStoreMemory,
  SandboxDriver,
  sessionFilesDirectory,
} from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { sqlite } from "@cordon/lease-store-sqlite"
import { Effect, Layer } from "effect"

/** A word that stands for an address, a path or a password of the host. */
export const secret = "s3cret"

const unreachable = new EngineUnreachable({
  endpoint: `unix:///srv/${secret}.sock`,
  reason: `connect ECONNREFUSED 10.0.0.1, says ${secret}`,
})
const broken = new EngineError({
  operation: "create a sandbox",
  reason: { _tag: "Failed" },
  status: 500,
  detail: secret,
})
const away = new LeaseStoreFailed({
  operation: `open /srv/${secret}.db`,
  reason: `postgres://user:${secret}@10.0.0.1/leases does not answer`,
})

const driverFailing = (error: HostError) =>
  Layer.effect(
    SandboxDriver,
    Effect.map(SandboxDriver, (driver) =>
      SandboxDriver.of({ ...driver, create: () => Effect.fail(error) }),
    ),
  ).pipe(Layer.provide(memory()))

const storeFailing = Layer.effect(
  LeaseStore,
  Effect.map(LeaseStore, (store) => LeaseStore.of({ ...store, insert: () => Effect.fail(away) })),
).pipe(Layer.provide(leaseStoreMemory))

/** Whatever stands around it, but never the secret, nor an address. */
const only = (words: string) => new RegExp(`^(?!.*(?:${secret}|10\\.0\\.0\\.1)).*${words}`, "s")

export const brokenHosts = [
  {
    driver: driverFailing(unreachable),
    leaseStore: undefined,
    reads: only("engine does not answer"),
  },
  { driver: driverFailing(broken), leaseStore: undefined, reads: only("create a sandbox") },
  { driver: memory(), leaseStore: storeFailing, reads: only("lease store") },
]

/** Those that can't even be set up. */
export const unreadyHosts = [
  {
    driver: Layer.effect(SandboxDriver, Effect.fail(unreachable)),
    reads: only("engine does not answer"),
  },
  {
    driver: memory(),
    leaseStore: Layer.effect(LeaseStore, Effect.fail(away)),
    reads: only("lease store"),
  },
  {
    driver: memory(),
    leaseStore: sqlite({ filename: `/srv/${secret}/leases.db` }),
    reads: only("lease store"),
  },
  {
    driver: memory(),
    files: sessionFilesDirectory(`/dev/null/${secret}`),
    reads: only("could not be set up"),
  },
  {
    driver: Layer.effect(
      SandboxDriver,
      Effect.fail(new InvalidInput({ subject: "host", issue: `no tcp://${secret}:2375` })),
    ),
    reads: only("could not be set up"),
  },
]
