import { monitorEventLoopDelay } from "node:perf_hooks"
import type { PromiseSandbox } from "@cordon/core"
import Docker from "dockerode"
import type { Case, Stopwatch, Subject } from "../harness/Case.ts"
import type { Stage } from "../harness/stage.ts"
import { dockerodeExec } from "../peers/dockerode.ts"

const commands = 50

type Measure = (stopwatch: Stopwatch, work: () => Promise<void>) => Promise<void>

const subjects =
  (measure: Measure) =>
  async (stage: Stage, stack: AsyncDisposableStack): Promise<ReadonlyArray<Subject>> => {
    const session = stage.sandboxes(stack, { limits: { memory: "128MiB", cpus: 1, pids: 64 } })
    const sandboxes: Array<PromiseSandbox> = []
    for (let n = 0; n < (stage.quick ? 2 : 10); n++) sandboxes.push(await session.create())
    const docker = new Docker({ socketPath: stage.socketPath })
    const all = (one: (sandbox: PromiseSandbox) => Promise<unknown>) => async () => {
      await Promise.all(
        Array.from({ length: commands }, (_, n) => {
          const sandbox = sandboxes[n % sandboxes.length]
          return sandbox === undefined ? undefined : one(sandbox)
        }),
      )
    }
    return [
      {
        name: "cordon",
        run: (stopwatch) =>
          measure(
            stopwatch,
            all((sandbox) => sandbox.run(["true"])),
          ),
      },
      {
        name: "dockerode",
        run: (stopwatch) =>
          measure(
            stopwatch,
            all(({ info }) => dockerodeExec(docker.getContainer(info.instanceId), ["true"])),
          ),
      },
      {
        name: "raw",
        run: (stopwatch) =>
          measure(
            stopwatch,
            all(({ info }) => stage.raw.exec(info.instanceId, ["true"])),
          ),
      },
    ]
  }

export const concurrent: Case = {
  name: "concurrent-50",
  title: "Run 50 commands at once over 10 sandboxes",
  about:
    "Five `true` in each of ten sandboxes, all begun together: the time until the last has ended.",
  unit: "ms",
  work: () => ({ amount: commands, unit: "commands" }),
  rounds: 7,
  warmUp: 1,
  targets: [{ peer: "dockerode", ratio: 0.03 }],
  subjects: subjects(({ time }, work) => time(work)),
}

export const eventLoop: Case = {
  name: "event-loop",
  title: "Longest delay of the event loop while 50 commands run",
  about:
    "How long the program's own code has to wait at worst, while the same fifty commands run: what a server that embeds us would feel.",
  unit: "ms",
  rounds: 7,
  warmUp: 1,
  subjects: subjects(async ({ record }, work) => {
    const delay = monitorEventLoopDelay({ resolution: 1 })
    delay.enable()
    await work()
    delay.disable()
    record(delay.max / 1e6)
  }),
}
