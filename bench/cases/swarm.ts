import { setTimeout } from "node:timers/promises"
import type { CreateSandboxesOptions } from "@cordon/core"
import { dockerRemote } from "@cordon/driver-docker-remote"
import { dockerSwarm } from "@cordon/driver-docker-swarm"
import { type Cluster, noSwarm, startSwarm } from "../../test/swarm/cluster.ts"
import type { Case, Subject } from "../harness/Case.ts"
import type { Stage } from "../harness/stage.ts"
import { creating, removing, subjectsOf, type Way, within } from "./ways.ts"

type Options = Pick<CreateSandboxesOptions, "limits"> & {
  /** Sandboxes that are made ahead. */
  readonly warmPool?: number
}

// The reservations of 40 sandboxes must fit on two nodes of two cores.
const small = { limits: { cpus: 0.05, memory: "32MiB", pids: 32 } } as const

/** A swarm of three engines on this machine, and one of these engines by itself, both over mutual TLS. */
const bothWays =
  (way: (stage: Stage, cluster: Cluster) => Way, { warmPool = 0, ...options }: Options = {}) =>
  async (stage: Stage, stack: AsyncDisposableStack): Promise<ReadonlyArray<Subject>> => {
    const cluster = await startSwarm([stage.image])
    stack.defer(cluster.stop)
    const { manager, tls } = cluster
    const [{ endpoint }] = cluster.workers
    const drivers = {
      cordon: dockerSwarm({ managers: [manager.endpoint], tls, warmPool }),
      remote: dockerRemote({
        host: endpoint,
        tls,
        warmPool: { size: warmPool, networks: 0 },
      }),
    }
    return subjectsOf(stage, stack, drivers, way(stage, cluster), options)
  }

/** The number of containers in warm pools on all nodes. */
const ahead = async ({ nodes }: Cluster) => {
  const all = await Promise.all(nodes.map(({ engine }) => engine.listContainers()))
  return all
    .flat()
    .filter(
      ({ Names: [name = ""], Labels }) =>
        name.startsWith("/cordon-ahead-") ||
        Labels["dev.cordon.id"]?.startsWith("cordon-0000000000000000-"),
    ).length
}

/** A sandbox from a warm pool and its first command, once the pools are full. */
const warm =
  (_: Stage, cluster: Cluster): Way =>
  async (sandboxes) => {
    const create = async () => {
      const sandbox = await sandboxes.create()
      await sandbox.exec(["true"])
      return sandbox
    }
    await (await create()).remove()
    return async ({ time }) => {
      while ((await ahead(cluster)) < 2) await setTimeout(50)
      // The pool still connects to its newest containers.
      await setTimeout(1000)
      await (await time(create)).remove()
    }
  }

const about =
  "A swarm of three engines on one machine (`cordon`), and one of its nodes' engines by itself (`remote`), in turn; both are reached over TCP with certificates on both sides."

const measured: ReadonlyArray<Case> = [
  {
    name: "swarm-exec",
    title: "Run `true` on a swarm",
    about,
    unit: "ms",
    rounds: 10,
    warmUp: 2,
    series: 20,
    pause: 5,
    targets: [{ peer: "remote", ratio: 1.2 }],
    subjects: bothWays(() => within((sandbox) => sandbox.exec(["true"]))),
  },
  {
    name: "swarm-create",
    title: "Create a sandbox without a network on a swarm",
    about: `${about} Its network is \`none\`. Removing it is not counted.`,
    unit: "ms",
    rounds: 15,
    warmUp: 2,
    pause: 500,
    targets: [{ peer: "remote", ratio: 1.5 }],
    subjects: bothWays(
      creating(() => 1),
      small,
    ),
  },
  {
    name: "swarm-create-warm",
    title: "The same, from a warm pool, with its first command",
    about: `${about} With \`warmPool: 1\` for both. The pools have the time to fill up between tries.`,
    unit: "ms",
    rounds: 10,
    warmUp: 1,
    targets: [{ peer: "remote", ratio: 1.2 }],
    subjects: bothWays(warm, { ...small, warmPool: 1 }),
  },
  {
    name: "swarm-create-40",
    title: "Create 40 sandboxes at once on a swarm",
    about: `${about} Their network is \`none\`; the time until the last one is there.`,
    unit: "ms",
    rounds: 3,
    warmUp: 1,
    pause: 3000,
    targets: [{ peer: "remote", ratio: 1 }],
    subjects: bothWays(
      creating(({ quick }) => (quick ? 2 : 40)),
      small,
    ),
  },
  {
    name: "swarm-remove",
    title: "Remove a sandbox on a swarm",
    about: `${about} As the caller sees it. Making it is not counted.`,
    unit: "ms",
    rounds: 15,
    warmUp: 2,
    targets: [{ peer: "remote", ratio: 1.5 }],
    subjects: bothWays(removing, small),
  },
]

export const swarmCases: ReadonlyArray<Case> = measured.map((one) => ({ ...one, lack: noSwarm }))
