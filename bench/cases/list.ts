import Docker from "dockerode"
import type { Case, Stopwatch } from "../harness/Case.ts"
import { dockerCli } from "../peers/cli.ts"

export const list: Case = {
  name: "list-100",
  title: "List a session's sandboxes among 100",
  about:
    "A hundred sandboxes of two sessions, of which one is asked for its fifty. Who asks the engine filters by the same label.",
  unit: "ms",
  rounds: 30,
  warmUp: 3,
  subjects: async (stage, stack) => {
    const half = stage.quick ? 3 : 50
    const sandboxes = stage.sandboxes(stack, {
      network: "none",
      limits: { memory: "64MiB", cpus: 0.1, pids: 32 },
    })
    for (const session of [sandboxes, sandboxes.session(`${sandboxes.sessionId}-other`)]) {
      let left = half
      const worker = async () => {
        while (left-- > 0) await session.create()
      }
      await Promise.all([worker(), worker()])
    }
    const [first] = await sandboxes.list()
    const label = `dev.cordon.session=${first?.session}`
    const filters = { label: [label] }
    const docker = new Docker({ socketPath: stage.socketPath })
    const whole = (count: number) => {
      if (count !== half) throw new Error(`${count} sandboxes`)
    }
    return [
      {
        name: "cordon",
        run: async ({ time }) => whole((await time(() => sandboxes.list())).length),
      },
      {
        name: "dockerode",
        run: async ({ time }) =>
          whole((await time(() => docker.listContainers({ all: true, filters }))).length),
      },
      ...(stage.hasCli
        ? [
            {
              name: "docker",
              run: ({ time }: Stopwatch) =>
                time(() => dockerCli("ps", "--all", "--filter", `label=${label}`)),
            },
          ]
        : []),
      {
        name: "raw",
        run: async ({ time }) => {
          const query = encodeURIComponent(JSON.stringify(filters))
          const path = `/containers/json?all=true&filters=${query}`
          whole((await time(async () => JSON.parse(await stage.raw.call("GET", path)))).length)
        },
      },
    ]
  },
}
