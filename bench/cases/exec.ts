import type { Runtime } from "@cordon/core"
import Docker from "dockerode"
import type { Case, Stopwatch, Subject } from "../harness/Case.ts"
import type { Stage } from "../harness/stage.ts"
import { dockerCli } from "../peers/cli.ts"
import { dockerodeExec } from "../peers/dockerode.ts"
import { startTestcontainer } from "../peers/testcontainers.ts"

/** Everybody runs the same command in the same container; testcontainers in one of its own. */
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
    "The smallest command there is: what remains is what running a command costs. Each runs ten in a row, 5 ms apart, and then it is the next one's turn. `raw` is the same three Engine calls (prepare, start, exit code) with nothing around them, so what is quicker than it does without them. Of Cordon's 2.0 ms, alone on the machine, 0.3 pass in Node until the command is written to its channel, 1.4 on the way there and back, and 0.3 in Node after its end was read. In the 1.4 `true` itself has 0.7 from its `execve` to its end, as the scheduler saw it (`perf sched`); the rest is who wakes whom: dockerd, containerd's shim, the shell that waited, the one that it tells, a `cat` for each output, and back.",
  unit: "ms",
  rounds: 8,
  warmUp: 2,
  series: 10,
  pause: 5,
  targets: [
    { peer: "dockerode", ratio: 0.05 },
    { peer: "docker", ratio: 0.04 },
  ],
  subjects: subjects(["true"]),
}

export const execTrueAlone: Case = {
  ...execTrue,
  name: "exec-true-alone",
  title: "Run `true` once in a while",
  about:
    "The same, but each has one try at a time and the next one follows at once. So each finds the processor's caches full of what the others did, and an engine that still clears up after the last command, which a pause of 5 ms lets it do (Cordon / dockerode was 0.065 with it, 0.084 without). An agent's command after a long thought costs as much: alone on the machine but 60 ms apart, 3.5 ms, of which 0.8 and 0.5 are Node's, and of the 2.1 between them `true` itself takes 1.0 to 1.5. Cordon's own code runs as in a series, at half the speed.",
  rounds: 40,
  warmUp: 3,
  series: 1,
  pause: 0,
}

export const execGvisor: Case = {
  ...execTrue,
  name: "exec-gvisor",
  title: "Run `true` on gVisor",
  about:
    "The same command in a sandbox of runtime `gvisor`, whose kernel is a program. Each has one try at a time, 100 ms apart. What is left when a command arrives is one `exec` of an armed shell and the answers through its pipes; no fork, all of which are done beforehand. But in one run where a fork took Linux 0.8 ms it took gVisor 14 and a whole loop of `/bin/true` 10 for each, and the quickest command through our channel took 9.7 against 3.2 on runc: that difference is gVisor's, and alone more than the target leaves. The three forks by which a channel gets ready again take 100 ms; who runs one command right after the other gets some of them from the channel and some from the engine, which alone takes 79 ms: 66 ms each.",
  runtime: "gvisor",
  rounds: 30,
  series: 1,
  pause: 100,
  targets: [{ peer: "dockerode", ratio: 0.05 }],
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
