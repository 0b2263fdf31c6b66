import type { WarmPoolOptions } from "@cordon/driver-docker"
import Docker from "dockerode"
import type { Case, Subject } from "../harness/Case.ts"
import type { Stage } from "../harness/stage.ts"
import { dockerCli } from "../peers/cli.ts"
import { fresh, rawSandbox } from "../peers/rawSandbox.ts"
import { genericContainer } from "../peers/testcontainers.ts"

const dockerodeSandbox = async (docker: Docker, image: string) => {
  const { name, subnet } = fresh()
  const network = await docker.createNetwork({ Name: name, IPAM: { Config: [{ Subnet: subnet }] } })
  const container = await docker.createContainer({
    Image: image,
    name,
    Cmd: ["sleep", "infinity"],
    HostConfig: { NetworkMode: network.id, Init: true },
  })
  return { network, container }
}

/** Those who make a network and a container on it, and start that. */
const peers = (stage: Stage): ReadonlyArray<Subject> => {
  const docker = new Docker({ socketPath: stage.socketPath })
  const raw = rawSandbox(stage)
  return [
    {
      name: "raw",
      run: async ({ time }) => {
        const place = fresh()
        const [container, network] = await time(async () => {
          const network = await raw.network(place)
          const container = await raw.container(place.name, network)
          await raw.start(container)
          return [container, network]
        })
        await raw.remove(container, network)
      },
    },
    {
      name: "dockerode",
      run: async ({ time }) => {
        const { network, container } = await time(async () => {
          const made = await dockerodeSandbox(docker, stage.image)
          await made.container.start()
          return made
        })
        await container.remove({ force: true })
        await network.remove()
      },
    },
    ...(stage.hasCli
      ? [
          {
            name: "docker",
            run: async ({ time }: Parameters<Subject["run"]>[0]) => {
              const { name, subnet } = fresh()
              await time(async () => {
                await dockerCli("network", "create", "--subnet", subnet, name)
                await dockerCli(
                  ...["run", "--detach", "--init", "--name", name, "--network", name],
                  ...[stage.image, "sleep", "infinity"],
                )
              })
              await dockerCli("rm", "--force", name)
              await dockerCli("network", "rm", name)
            },
          },
        ]
      : []),
    {
      name: "testcontainers",
      run: async ({ time }) => {
        const { Network } = await import("testcontainers")
        const description = await genericContainer(stage)
        const { network, started } = await time(async () => {
          const network = await new Network().start()
          return { network, started: await description.withNetwork(network).start() }
        })
        await started.stop({ timeout: 0 })
        await network.stop()
      },
    },
  ]
}

const until = async (ready: () => Promise<boolean>) => {
  while (!(await ready())) await new Promise((resolve) => setTimeout(resolve, 20))
}

/** How many containers and networks of a kind the engine has. */
const counted = async (stage: Stage, path: string, label: string) => {
  const filters = encodeURIComponent(JSON.stringify({ label: [label] }))
  const found: ReadonlyArray<{ State?: string }> = JSON.parse(
    await stage.raw.call("GET", `${path}?all=true&filters=${filters}`),
  )
  return found.filter(({ State }) => State === undefined || State === "running").length
}

/** @param ahead what waits for a sandbox: where the engine lists it, and by which label */
const creation =
  (warmPool?: WarmPoolOptions, ahead?: readonly [path: string, label: string]): Case["subjects"] =>
  async (stage, stack) => {
    const count = async () => (ahead === undefined ? 0 : await counted(stage, ...ahead))
    // Somebody else's may be there.
    const waiting = (await count()) + (ahead === undefined ? 0 : 1)
    const sandboxes = stage.sandboxes(stack, {}, warmPool === undefined ? {} : { warmPool })
    if (warmPool !== undefined) await (await sandboxes.create()).remove()
    return [
      {
        name: "cordon",
        run: async ({ time }) => {
          await until(async () => (await count()) === waiting)
          const sandbox = await time(() => sandboxes.create())
          await sandbox.remove()
        },
      },
      ...peers(stage),
    ]
  }

export const createCases: ReadonlyArray<Case> = [
  {
    name: "create-cold",
    title: "Create a sandbox, nothing made ahead",
    about:
      "From nothing to a sandbox that runs commands: its network, its container, started. `raw` makes the same network and the same container with three calls in a row. Cordon makes the two side by side; starting the container is most of it for everybody. Removing them is not counted.",
    unit: "ms",
    rounds: 15,
    warmUp: 2,
    targets: [{ peer: "raw", ratio: 1 }],
    subjects: creation(),
  },
  {
    name: "create-networks-ahead",
    title: "Create a sandbox, networks made ahead",
    about:
      "As above, with `warmPool: { size: 0, networks: 1 }`: a network waits for its sandbox, the container does not. What sandboxes with an environment of their own get from a warm pool. All that is saved is the network's creation (130 ms of 577 in a quiet run); two thirds and more of the rest is the engine's start of the container, and only the look at the image and the container's creation come before it.",
    unit: "ms",
    rounds: 15,
    warmUp: 2,
    targets: [{ peer: "raw", ratio: 0.8 }],
    subjects: creation({ size: 0, networks: 1 }, ["/networks", "dev.cordon.spec"]),
  },
  {
    name: "create-warm",
    title: "Create a sandbox from a warm pool",
    about:
      "With `warmPool: { size: 1 }`: a started container waits, and a rename gives it to the session. The pool is given the time to fill up between tries.",
    unit: "ms",
    rounds: 15,
    warmUp: 2,
    targets: [{ peer: "raw", ratio: 0.04 }],
    subjects: creation({ size: 1, networks: 0 }, ["/containers/json", "dev.cordon.ahead"]),
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
          const { network, container } = await dockerodeSandbox(docker, stage.image)
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
