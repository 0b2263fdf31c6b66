import { SandboxDriver } from "@cordon/core"
import { dockerSwarm } from "@cordon/driver-docker-swarm"
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { afterAll } from "vitest"
import { lostMajority } from "./brokenOff.ts"
import { changeNode, nodesOf, noSwarm, startSwarm, until } from "./cluster.ts"
import { checkOn, create, exec, image, out, session, small } from "./support.ts"

// A swarm of its own: Engine 20.10 may not let a node that was lost before become a manager.
const cluster = noSwarm === undefined ? await startSwarm([image, small]) : undefined
afterAll(() => cluster?.stop(), 120_000)

const [first = "tcp://127.0.0.1:1", ...rest] = cluster?.nodes.map(({ endpoint }) => endpoint) ?? []
const three = dockerSwarm({ managers: [first, ...rest], tls: cluster?.tls ?? {} })

describe("a swarm of three managers", () => {
  const check = checkOn(cluster, three)

  check(
    "keeps working when its leader is killed",
    (cluster) =>
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        for (const { name } of cluster.workers) {
          yield* Effect.promise(() =>
            changeNode(cluster.manager, name, (spec) => ({ ...spec, Role: "manager" })),
          )
        }
        // Each by its own account: one that was just made a manager does not answer as one at once.
        for (const node of cluster.nodes) {
          yield* Effect.promise(() =>
            until("three managers", 60, async () => {
              const nodes = [...(await nodesOf(node)).values()]
              return nodes.every(({ ManagerStatus }) => ManagerStatus?.Reachability === "reachable")
            }),
          )
        }
        const [a, b] = [yield* create(), yield* create()]
        yield* exec(a, "echo kept > /tmp/kept")
        // One creation is under way when the leader goes.
        const creating = yield* Effect.forkChild(create())
        yield* Effect.promise(() => cluster.manager.kill())
        const c = yield* Fiber.join(creating)
        assert.strictEqual(yield* out(a, "cat /tmp/kept"), "kept")
        for (const id of [b, c]) assert.strictEqual(yield* out(id, "echo on"), "on")
        const d = yield* create({ network: "internal" })
        yield* driver.stop(d)
        yield* driver.start(d)
        assert.strictEqual(yield* out(d, "echo again"), "again")
        for (const id of [a, b, c, d]) yield* driver.remove(id)
        assert.deepStrictEqual(yield* driver.list(session), [])
      }),
    240_000,
  )

  lostMajority(check, three)
})
