import Docker from "dockerode"
import type { Case } from "../harness/Case.ts"
import { held } from "../harness/held.ts"
import { dockerodeExec } from "../peers/dockerode.ts"

export const memoryHeld: Case = {
  name: "memory",
  title: "Memory of this process for each sandbox held",
  about:
    "Growth of the program's heap and buffers for each sandbox that is kept and has run a command, after garbage collection. For dockerode, a container object over the same container.",
  unit: "KiB",
  rounds: 3,
  warmUp: 1,
  subjects: async (stage) => {
    const count = stage.quick ? 2 : 20
    const docker = new Docker({ socketPath: stage.socketPath })
    return [
      {
        name: "cordon",
        run: async ({ record }) => {
          await using stack = new AsyncDisposableStack()
          const session = stage.sandboxes(stack, {
            network: "none",
            limits: { memory: "64MiB", cpus: 1, pids: 64 },
          })
          await (await session.create()).run(["true"])
          const before = await held()
          const kept = []
          for (let n = 0; n < count; n++) {
            const sandbox = await session.create()
            await sandbox.run(["true"])
            kept.push(sandbox)
          }
          record(((await held()) - before) / kept.length / 1024)
        },
      },
      {
        name: "dockerode",
        run: async ({ record }) => {
          const kept: Array<Docker.Container> = []
          const make = async () => {
            const container = await docker.createContainer({
              Image: stage.image,
              Cmd: ["sleep", "infinity"],
              HostConfig: { NetworkMode: "none", Init: true },
            })
            await container.start()
            await dockerodeExec(container, ["true"])
            return container
          }
          const first = await make()
          const before = await held()
          for (let n = 0; n < count; n++) kept.push(await make())
          record(((await held()) - before) / kept.length / 1024)
          for (const container of [first, ...kept]) await container.remove({ force: true })
        },
      },
    ]
  },
}
