// Other ways to make a container on its own network and run `true` in it.
import Docker from "dockerode"
import type { Stopwatch, Subject } from "../harness/Case.ts"
import type { Stage } from "../harness/stage.ts"
import { dockerCli } from "./cli.ts"
import { dockerodeExec } from "./dockerode.ts"
import { fresh, rawSandbox } from "./rawSandbox.ts"
import { genericContainer } from "./testcontainers.ts"

/** Makes a network and a container on it with dockerode; the container is not started. */
export const dockerodeContainer = async (docker: Docker, image: string, runtime?: string) => {
  const { name, subnet } = fresh()
  const network = await docker.createNetwork({ Name: name, IPAM: { Config: [{ Subnet: subnet }] } })
  const container = await docker.createContainer({
    Image: image,
    name,
    Cmd: ["sleep", "infinity"],
    HostConfig: {
      NetworkMode: network.id,
      Init: true,
      ...(runtime === undefined ? {} : { Runtime: runtime }),
    },
  })
  return { network, container }
}

/** @param count how many are made at once */
export const dockerodeCreation = (stage: Stage, count = 1, runtime?: string): Subject => {
  const docker = new Docker({ socketPath: stage.socketPath })
  const create = async () => {
    const made = await dockerodeContainer(docker, stage.image, runtime)
    await made.container.start()
    await dockerodeExec(made.container, ["true"])
    return made
  }
  return {
    name: "dockerode",
    run: async ({ time }) => {
      const all = await time(() => Promise.all(Array.from({ length: count }, create)))
      await Promise.all(
        all.map(async ({ network, container }) => {
          await container.remove({ force: true })
          await network.remove()
        }),
      )
    },
  }
}

/** The same network and limits as a sandbox, with plain engine calls. */
export const rawCreation = (stage: Stage): Subject => {
  const raw = rawSandbox(stage)
  return {
    name: "raw",
    run: async ({ time }) => {
      const place = fresh()
      const [container, network] = await time(async () => {
        const network = await raw.network(place)
        const container = await raw.container(place.name, network)
        await raw.start(container)
        await stage.raw.exec(container, ["true"])
        return [container, network]
      })
      await raw.remove(container, network)
    },
  }
}

const cliCreation = (stage: Stage): Subject => ({
  name: "docker",
  run: async ({ time }: Stopwatch) => {
    const { name, subnet } = fresh()
    await time(async () => {
      await dockerCli("network", "create", "--subnet", subnet, name)
      await dockerCli(
        ...["run", "--detach", "--init", "--name", name, "--network", name],
        ...[stage.image, "sleep", "infinity"],
      )
      await dockerCli("exec", name, "true")
    })
    await dockerCli("rm", "--force", name)
    await dockerCli("network", "rm", name)
  },
})

const testcontainersCreation = (stage: Stage): Subject => ({
  name: "testcontainers",
  run: async ({ time }) => {
    const { Network } = await import("testcontainers")
    const description = await genericContainer(stage)
    const { network, started } = await time(async () => {
      const network = await new Network().start()
      const started = await description.withNetwork(network).start()
      await started.exec(["true"])
      return { network, started }
    })
    await started.stop({ timeout: 0 })
    await network.stop()
  },
})

/** All peers that are installed on this machine. */
export const creations = (stage: Stage): ReadonlyArray<Subject> => [
  rawCreation(stage),
  dockerodeCreation(stage),
  ...(stage.hasCli ? [cliCreation(stage)] : []),
  testcontainersCreation(stage),
]
