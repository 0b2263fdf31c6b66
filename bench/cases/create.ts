import type { Runtime } from "@cordon/core"
import type { DockerOptions, WarmPoolOptions } from "@cordon/driver-docker"
import Docker from "dockerode"
import type { Case, Subject } from "../harness/Case.ts"
import type { Stage } from "../harness/stage.ts"
import { creations, dockerodeContainer, dockerodeCreation } from "../peers/creations.ts"
import { fresh, rawSandbox } from "../peers/rawSandbox.ts"
import { genericContainer } from "../peers/testcontainers.ts"

const until = async (ready: () => Promise<boolean>) => {
  while (!(await ready())) await new Promise((resolve) => setTimeout(resolve, 20))
}

/** The number of containers or networks of a kind on the engine. */
const counted = async (stage: Stage, path: string, label: string) => {
  const filters = encodeURIComponent(JSON.stringify({ label: [label] }))
  const found: ReadonlyArray<{ State?: string }> = JSON.parse(
    await stage.raw.call("GET", `${path}?all=true&filters=${filters}`),
  )
  return found.filter(({ State }) => State === undefined || State === "running").length
}

/** The containers or networks of a warm pool: the engine's list of them, and their label. */
type Ahead = readonly [path: string, label: string]
const container: Ahead = ["/containers/json", "dev.cordon.ahead"]
const network: Ahead = ["/networks", "dev.cordon.spec"]

interface Creation {
  readonly warmPool?: WarmPoolOptions
  readonly ahead?: Ahead
  /** How many are made at the same time. */
  readonly count?: number
  readonly runtime?: Runtime
}

/** Sandboxes that are made and run `true`; with a warm pool, once the pool is full again. */
const creation = async (
  stage: Stage,
  stack: AsyncDisposableStack,
  { warmPool, ahead, count = 1, runtime = "runc" }: Creation = {},
): Promise<Subject> => {
  const ready = async () => (ahead === undefined ? 0 : await counted(stage, ...ahead))
  // The engine may have others.
  const waiting = (await ready()) + (ahead === undefined ? 0 : count)
  const driver: DockerOptions = warmPool === undefined ? {} : { warmPool }
  const sandboxes = stage.sandboxes(stack, { runtime }, driver)
  const create = async () => {
    const sandbox = await sandboxes.create()
    await sandbox.run(["true"])
    return sandbox
  }
  if (warmPool !== undefined) await (await create()).remove()
  return {
    name: "cordon",
    run: async ({ time }) => {
      await until(async () => (await ready()) >= waiting)
      const all = await time(() => Promise.all(Array.from({ length: count }, create)))
      await Promise.all(all.map((sandbox) => sandbox.remove()))
    },
  }
}

const cold: Case = {
  name: "create-cold",
  title: "Create a sandbox and run its first command",
  about:
    "From nothing to the end of `true` in it: its network, its container, started, a command. Nothing is made ahead. `raw` makes the same network and the same container with the same limits, call by call, and runs the command with the engine's three calls. Removing is not counted.",
  unit: "ms",
  rounds: 15,
  warmUp: 2,
  targets: [{ peer: "raw", ratio: 0.85 }],
  subjects: async (stage, stack) => [await creation(stage, stack), ...creations(stage)],
}

export const createCases: ReadonlyArray<Case> = [
  cold,
  {
    ...cold,
    name: "create-networks-ahead",
    title: "The same, with networks made ahead",
    about:
      "With `warmPool: { size: 0, networks: 1 }`: a network waits for its sandbox, the container does not. This is what a warm pool gives to sandboxes with an environment of their own.",
    targets: [{ peer: "raw", ratio: 0.8 }],
    subjects: async (stage, stack) => [
      await creation(stage, stack, { warmPool: { size: 0, networks: 1 }, ahead: network }),
      ...creations(stage),
    ],
  },
  {
    ...cold,
    name: "create-warm",
    title: "The same, from a warm pool",
    about:
      "With `warmPool: { size: 1 }`: a started container waits with a connection to its process 1. The session gets it by a rename. The pool has the time to fill up between tries.",
    targets: [{ peer: "dockerode", ratio: 0.03 }],
    subjects: async (stage, stack) => [
      await creation(stage, stack, { warmPool: { size: 1, networks: 0 }, ahead: container }),
      ...creations(stage),
    ],
  },
  {
    ...cold,
    name: "create-warm-gvisor",
    title: "The same, from a warm pool, on gVisor",
    about: "As above, with the runtime `gvisor` for everybody.",
    runtime: "gvisor",
    rounds: 10,
    targets: [{ peer: "dockerode", ratio: 0.08 }],
    subjects: async (stage, stack) => [
      await creation(stage, stack, {
        warmPool: { size: 1, networks: 0 },
        ahead: container,
        runtime: "gvisor",
      }),
      dockerodeCreation(stage, 1, stage.runtimeName("gvisor")),
    ],
  },
  {
    ...cold,
    name: "create-warm-30",
    title: "Create 30 sandboxes at once, from a warm pool",
    about:
      "With `warmPool: { size: 30 }`, full before each try: 30 sandboxes are asked for together, and each runs `true`. The time until the last command has ended.",
    rounds: 3,
    warmUp: 1,
    targets: [{ peer: "dockerode", ratio: 0.03 }],
    subjects: async (stage, stack) => {
      const count = stage.quick ? 2 : 30
      return [
        await creation(stage, stack, {
          warmPool: { size: count, networks: 0 },
          ahead: container,
          count,
        }),
        dockerodeCreation(stage, count),
      ]
    },
  },
]

export const remove: Case = {
  name: "remove",
  title: "Remove a sandbox",
  about:
    "As the caller sees it: from the call until it is gone as far as anybody can ask. `raw` removes the container and then its network. Making them is not counted.",
  unit: "ms",
  rounds: 15,
  warmUp: 2,
  targets: [{ peer: "raw", ratio: 0.5 }],
  subjects: async (stage, stack) => {
    const sandboxes = stage.sandboxes(stack)
    const raw = rawSandbox(stage)
    const docker = new Docker({ socketPath: stage.socketPath })
    return [
      {
        name: "cordon",
        run: async ({ time }) => {
          const sandbox = await sandboxes.create()
          await time(() => sandbox.remove())
        },
      },
      {
        name: "raw",
        run: async ({ time }) => {
          const place = fresh()
          const network = await raw.network(place)
          const container = await raw.container(place.name, network)
          await raw.start(container)
          await time(() => raw.remove(container, network))
        },
      },
      {
        name: "dockerode",
        run: async ({ time }) => {
          const { network, container } = await dockerodeContainer(docker, stage.image)
          await container.start()
          await time(async () => {
            await container.remove({ force: true })
            await network.remove()
          })
        },
      },
      {
        name: "testcontainers",
        run: async ({ time }) => {
          const { Network } = await import("testcontainers")
          const network = await new Network().start()
          const started = await (await genericContainer(stage)).withNetwork(network).start()
          await time(async () => {
            await started.stop({ timeout: 0 })
            await network.stop()
          })
        },
      },
    ]
  },
}
