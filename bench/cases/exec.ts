import type { Runtime } from "@cordon/core"
import Docker from "dockerode"
import type { Case, Stopwatch, Subject } from "../harness/Case.ts"
import type { Stage } from "../harness/stage.ts"
import { dockerCli } from "../peers/cli.ts"
import { dockerodeExec } from "../peers/dockerode.ts"
import { startTestcontainer } from "../peers/testcontainers.ts"

/** All subjects run the same command in the same container; testcontainers uses its own. */
const subjects =
  (command: readonly [string, ...Array<string>], runtime: Runtime = "runc") =>
  async (stage: Stage, stack: AsyncDisposableStack): Promise<ReadonlyArray<Subject>> => {
    const sandbox = stack.use(await stage.sandboxes(stack).create({ runtime }))
    const { instanceId } = sandbox.info
    const container = new Docker({ socketPath: stage.socketPath }).getContainer(instanceId)
    const test = runtime === "runc" ? await startTestcontainer(stage, stack) : undefined
    return [
      {
        name: "cordon",
        run: async ({ time }) => {
          const { exitCode } = await time(() => sandbox.exec(command))
          if (exitCode !== 0) throw new Error(`exit code ${exitCode}`)
        },
      },
      { name: "dockerode", run: ({ time }) => time(() => dockerodeExec(container, command)) },
      ...(stage.hasCli
        ? [
            {
              name: "docker",
              run: ({ time }: Stopwatch) => time(() => dockerCli("exec", instanceId, ...command)),
            },
          ]
        : []),
      ...(test === undefined
        ? []
        : [
            {
              name: "testcontainers",
              run: async ({ time }: Stopwatch) => {
                const { exitCode } = await time(() => test.exec([...command]))
                if (exitCode !== 0) throw new Error(`exit code ${exitCode}`)
              },
            },
          ]),
      { name: "raw", run: ({ time }) => time(() => stage.raw.exec(instanceId, command)) },
    ]
  }

export const execTrue: Case = {
  name: "exec-true",
  title: "Run `true`",
  about:
    "The smallest command there is: what remains is what running a command costs. Each runs ten in a row, 5 ms apart, and then it is the next one's turn. `raw` is the same three Engine calls (prepare, start, exit code) with nothing around them, so what is quicker than it does without them. Cordon asks the engine for nothing: the command goes to the sandbox's process 1 over a connection that is there, through dockerd and containerd's shim, a supervisor that waits starts it, and its end comes back the same way.",
  unit: "ms",
  rounds: 8,
  warmUp: 2,
  series: 10,
  pause: 5,
  targets: [
    { peer: "dockerode", ratio: 0.03 },
    { peer: "docker", ratio: 0.04 },
  ],
  subjects: subjects(["true"]),
}

export const execTrueAlone: Case = {
  ...execTrue,
  name: "exec-true-alone",
  title: "Run `true` once in a while",
  about:
    "The same, but each has one try at a time and the next one follows at once. So each finds the processor's caches full of what the others did, and an engine that still clears up after the last command, which a pause of 5 ms lets it do. An agent's command after a long thought costs as much.",
  rounds: 40,
  warmUp: 3,
  series: 1,
  pause: 0,
  targets: [
    { peer: "dockerode", ratio: 0.05 },
    { peer: "docker", ratio: 0.04 },
  ],
}

export const execGvisor: Case = {
  ...execTrue,
  name: "exec-gvisor",
  title: "Run `true` on gVisor",
  about:
    "The same command in a sandbox of runtime `gvisor`, whose kernel is a program. Each has one try at a time, 100 ms apart. A fork takes gVisor about 6 ms, so the supervisor of the next command is forked ahead, and starts the program by `vfork`.",
  runtime: "gvisor",
  rounds: 30,
  series: 1,
  pause: 100,
  targets: [{ peer: "dockerode", ratio: 0.18 }],
  subjects: subjects(["true"], "gvisor"),
}

export const execEcho: Case = {
  name: "exec-echo",
  title: "Run `echo` and read what it says",
  about: "As `true`, with a line of output to bring back, through a shell.",
  unit: "ms",
  rounds: 6,
  warmUp: 2,
  series: 10,
  pause: 5,
  subjects: subjects(["/bin/sh", "-c", "echo hello"]),
}

const outputBytes = 10_000_000

export const execOutput: Case = {
  name: "exec-output",
  title: "Run a command that prints 10 MB",
  about:
    "Cordon keeps the head and the tail of it and counts the rest; the others throw it away as it comes, but for testcontainers, which gathers it in a string.",
  unit: "ms",
  work: () => ({ amount: outputBytes / 1e6, unit: "MB" }),
  rounds: 10,
  warmUp: 1,
  targets: [{ peer: "dockerode", ratio: 1 }],
  subjects: subjects(["head", "-c", String(outputBytes), "/dev/zero"]),
}

const counted = 100

/** Milliseconds of processor time that a container has used, all its processes together. */
const cpuTime = async (stage: Stage, container: string): Promise<number> => {
  const answer = await stage.raw.call(
    "GET",
    `/containers/${container}/stats?stream=false&one-shot=true`,
  )
  return JSON.parse(answer).cpu_stats.cpu_usage.total_usage / 1e6
}

export const execCpu: Case = {
  name: "exec-cpu",
  title: "Processor time of `true` inside the sandbox",
  about: `What the engine counts for the container while ${counted} \`true\` run in it one after another, for each of them: the program itself, and what starts it. The engine's own work outside the container is not in it.`,
  unit: "ms",
  rounds: 5,
  warmUp: 1,
  targets: [{ value: 1.2 }],
  subjects: async (stage, stack) => {
    const sandbox = stack.use(await stage.sandboxes(stack).create())
    const { instanceId } = sandbox.info
    const container = new Docker({ socketPath: stage.socketPath }).getContainer(instanceId)
    const subject = (name: string, once: () => Promise<unknown>): Subject => ({
      name,
      run: async ({ record }) => {
        const before = await cpuTime(stage, instanceId)
        for (let n = 0; n < counted; n++) await once()
        record(((await cpuTime(stage, instanceId)) - before) / counted)
      },
    })
    return [
      subject("cordon", () => sandbox.exec(["true"])),
      subject("dockerode", () => dockerodeExec(container, ["true"])),
    ]
  },
}
