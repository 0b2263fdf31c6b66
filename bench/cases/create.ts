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

export const createCold: Case = {
  name: "create-cold",
  title: "Create a sandbox",
  about:
    "From nothing to a sandbox that runs commands: its network, its container, started. `raw` makes the same network and the same container with three calls in a row. Removing them is not counted.",
  unit: "ms",
  rounds: 15,
  warmUp: 2,
  targets: [{ peer: "raw", ratio: 1 }],
  subjects: async (stage, stack) => {
    const sandboxes = stage.sandboxes(stack)
    return [
      {
        name: "cordon",
        run: async ({ time }) => {
          const sandbox = await time(() => sandboxes.create())
          await sandbox.remove()
        },
      },
      ...peers(stage),
    ]
  },
}

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
