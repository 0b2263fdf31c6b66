import { SandboxDriver, SandboxName } from "@cordon/core"
import { assert } from "@effect/vitest"
import Dockerode from "dockerode"
import { Effect } from "effect"
import { socketPath } from "../support/docker.ts"
import { startEngine } from "../support/engineContainer.ts"
import { type Cluster, changeNode, nodesOf, until } from "./cluster.ts"
import { type Check, create, exec, image, nodeOf, out, session, small } from "./support.ts"

const host = 20

/** Has the newest engine that there is join a swarm, and be the only node that takes sandboxes with runc. */
const joined = (cluster: Cluster) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const { manager, workers, authority } = cluster
      const address = cluster.outside.replace(/\d+$/, String(host))
      const engine = await startEngine({
        tls: true,
        engine: "newest",
        images: [small],
        // As each node of the tests has it: services have no words for it.
        args: ["--no-new-privileges"],
        authority,
        names: [`IP:${address}`],
      })
      const local = new Dockerode({ socketPath })
      const { State, Config } = await local.getContainer(engine.container.getId()).inspect()
      cluster.plug(State.Pid, host)
      const { JoinTokens } = await manager.engine.swarmInspect()
      await engine.client.swarmJoin({
        ListenAddr: `${address}:2377`,
        AdvertiseAddr: `${address}:2377`,
        RemoteAddrs: [`${new URL(manager.endpoint).hostname}:2377`],
        JoinToken: JoinTokens.Worker,
      })
      const name = Config.Hostname
      await until("the newest engine", 60, async () => (await nodesOf(manager)).has(name))
      for (const worker of workers) {
        await changeNode(manager, worker.name, (spec) => ({ ...spec, Availability: "pause" }))
      }
      await changeNode(manager, name, (spec) => ({
        ...spec,
        Labels: {
          "dev.cordon.runtime": "runc",
          "dev.cordon.engine": `tcp://${address}:2376`,
        },
      }))
      return { name, engine }
    }),
    ({ engine, name }) =>
      Effect.promise(async () => {
        const { manager, workers } = cluster
        for (const worker of workers) {
          await changeNode(manager, worker.name, (spec) => ({ ...spec, Availability: "active" }))
        }
        await changeNode(manager, name, (spec) => ({ ...spec, Availability: "drain", Labels: {} }))
        await engine.stop()
      }),
  )

/** A node whose engine is the newest that there is, among others that are old. */
export const newestSuite = (check: Check) => {
  check(
    "runs sandboxes on a node with a newer engine than the managers'",
    (cluster) =>
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        const { name } = yield* joined(cluster)
        for (const network of ["none", "bridge", "internal"] as const) {
          const id = yield* create({ network })
          assert.strictEqual(yield* Effect.promise(() => nodeOf(cluster, id)), name)
          const links = yield* out(id, "ls /sys/class/net | xargs")
          assert.strictEqual(links === "lo", network === "none", links)
          assert.match(yield* out(id, "cat /proc/self/status"), /NoNewPrivs:\t1/)
        }
        const id = yield* create({
          image,
          limits: { memory: 128 * 1024 ** 2, cpus: 0.5, pids: 64 },
        })
        yield* exec(id, "echo kept >/tmp/kept; sleep 1000 >/dev/null 2>&1 &")
        yield* driver.stop(id)
        yield* driver.start(id)
        assert.strictEqual(yield* out(id, "cat /tmp/kept; pgrep sleep | wc -l"), "kept\n0")
        assert.isTrue((yield* exec(id, "sleep 1000", 1)).timedOut)
        const taken = SandboxName.make("newest")
        const snapshot = yield* driver.snapshot(id, taken)
        yield* Effect.addFinalizer(() => Effect.ignore(driver.removeSnapshot(session, taken)))
        const fork = yield* create({ image: snapshot.image })
        assert.strictEqual(yield* out(fork, "cat /tmp/kept"), "kept")
        for (const box of [fork, id]) yield* driver.remove(box)
      }),
    180_000,
  )
}
