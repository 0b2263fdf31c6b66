import {
  collectOutput,
  SandboxDriver,
  type SandboxId,
  SandboxName,
  type SandboxSpec,
  SessionId,
  sandboxId,
  sessionKey,
} from "@cordon/core"
import { it } from "@effect/vitest"
import { Duration, Effect, type Layer, type Scope } from "effect"
import { skipped } from "../support/skipped.ts"
import { type Cluster, nodesOf, noSwarm } from "./cluster.ts"

export const image = process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04"
export const small = process.env["CORDON_TEST_BUSYBOX_IMAGE"] ?? image

export const session = sessionKey(SessionId.make(`swarm-${process.pid}-${Date.now()}`))
let counter = 0

export const specOf = (more: Partial<SandboxSpec> = {}): SandboxSpec => ({
  name: SandboxName.make(`box-${++counter}`),
  image: small,
  runtime: "runc",
  limits: { memory: 32 * 1024 ** 2, cpus: 0.1, pids: 32 },
  network: "none",
  lease: { idleTimeout: 600_000, removeTimeout: 1_200_000 },
  env: {},
  ...more,
})

export const create = Effect.fnUntraced(function* (more: Partial<SandboxSpec> = {}) {
  const driver = yield* SandboxDriver
  const spec = specOf(more)
  const id = sandboxId(session, spec.name)
  yield* Effect.acquireRelease(driver.create({ id, session, spec }), () =>
    Effect.ignore(driver.remove(id)),
  )
  return id
})

export const exec = Effect.fnUntraced(function* (id: SandboxId, command: string, timeout = 60) {
  const driver = yield* SandboxDriver
  const request = { command, timeout: Duration.seconds(timeout) }
  return yield* collectOutput(driver.exec(id, request), 1024 * 1024)
})
export const out = (id: SandboxId, command: string) =>
  Effect.map(exec(id, command), ({ stdout }) => stdout.trim())

/** Everything of ours that the swarm and its engines still have. */
export const leftOf = async ({ manager, nodes }: Cluster) => {
  const filters = { label: ["dev.cordon.spec"] }
  const services = await manager.engine.listServices({ filters })
  const networks = await manager.engine.listNetworks({ filters })
  const containers = await Promise.all(
    nodes.map(({ engine }) => engine.listContainers({ all: true, filters })),
  )
  return {
    services: services.length,
    networks: networks.length,
    containers: containers.flat().length,
  }
}
export const nothing = { services: 0, networks: 0, containers: 0 }

/** The host name of the node that runs a sandbox, by the managers' word. */
export const nodeOf = async ({ manager }: Cluster, id: SandboxId) => {
  const tasks: ReadonlyArray<{ readonly NodeID: string }> = await manager.engine.listTasks({
    filters: { label: [`dev.cordon.id=${id}`] },
  })
  const nodes = await nodesOf(manager)
  return [...nodes].find(([, { ID }]) => ID === tasks[0]?.NodeID)?.[0] ?? ""
}

export type Driver = Layer.Layer<SandboxDriver, { readonly message: string }>

/** A test on a cluster, with a driver of its own. */
export type Check = <E>(
  name: string,
  body: (cluster: Cluster) => Effect.Effect<unknown, E, SandboxDriver | Scope.Scope>,
  timeout?: number,
  layer?: Driver,
) => void

export const checkOn =
  (cluster: Cluster | undefined, one: Driver, why = noSwarm): Check =>
  (name, body, timeout = 120_000, layer = one) =>
    cluster === undefined
      ? skipped(name, noSwarm ?? why ?? "there is no swarm")
      : it.live(
          name,
          () => body(cluster).pipe(Effect.scoped, Effect.provide(layer), Effect.asVoid),
          timeout,
        )
