import { readdirSync } from "node:fs"
import { setTimeout } from "node:timers/promises"
import { createSandboxes, type PromiseSandboxes, sessionFilesMemory } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { memory } from "@cordon/driver-memory"
import { createTools, type PromiseToolset } from "@cordon/tools"
import type { Case, Stopwatch, Subject } from "../harness/Case.ts"
import type { Stage } from "../harness/stage.ts"

const small = { network: "none", limits: { memory: "64MiB", cpus: 0.1, pids: 64 } } as const

/** The numbers of sessions. The last one is the result, and the others are the comparison. */
const countsOf = ({ quick }: Stage) => (quick ? [1, 5, 20] : [1, 10, 100, 1000])

const nameOf = (count: number, counts: ReadonlyArray<number>) =>
  count === counts.at(-1) ? "cordon" : `sessions-${count}`

/** Opens sessions and uses each once, with a few calls at a time. */
const openSessions = async (
  count: number,
  open: (nth: number) => PromiseToolset,
  use: (toolset: PromiseToolset) => Promise<unknown>,
): Promise<ReadonlyArray<PromiseToolset>> => {
  const toolsets = Array.from({ length: count }, (_, nth) => open(nth))
  const waiting = [...toolsets]
  const worker = async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await use(next)
  }
  await Promise.all(Array.from({ length: 8 }, worker))
  return toolsets
}

const list = ({ byName }: PromiseToolset) => byName.sandbox_list.execute({})

/** A new session, its sandbox and its first command, beside those that are open. */
const nextSession = async (sandboxes: PromiseSandboxes, { time }: Stopwatch) => {
  const session = sandboxes.session("next")
  await time(async () => {
    const sandbox = await session.create()
    await sandbox.run(["true"])
  })
  await session.close()
}

/** Sandboxes with one session less than this number. Each session has used the driver. */
const crowd = async (
  sandboxes: PromiseSandboxes,
  count: number,
  use: (toolset: PromiseToolset) => Promise<unknown>,
) => {
  await sandboxes.list()
  await openSessions(count - 1, (nth) => createTools({ sandboxes, sessionId: `user-${nth}` }), use)
}

const nth = (
  name: string,
  title: string,
  about: string,
  make: (stage: Stage, stack: AsyncDisposableStack, count: number) => Promise<PromiseSandboxes>,
): Case => ({
  name,
  title,
  about,
  unit: "ms",
  rounds: 15,
  warmUp: 3,
  targets: [{ peer: "sessions-1", ratio: 1.5 }],
  subjects: async (stage, stack) => {
    const counts = countsOf(stage)
    const subjects: Array<Subject> = []
    for (const count of counts) {
      const sandboxes = await make(stage, stack, count)
      subjects.push({
        name: nameOf(count, counts),
        run: (stopwatch) => nextSession(sandboxes, stopwatch),
      })
    }
    return subjects
  },
})

const onMemory = nth(
  "sessions-memory",
  "The 1,000th session in one program, in memory",
  "A new session, its sandbox and its first command, on the in-memory driver: `cordon` is the 1,000th session of its `createSandboxes`, `sessions-N` the Nth. Each of the others has a sandbox.",
  async (_, stack, count) => {
    const sandboxes = stack.use(createSandboxes({ driver: memory(), ...small }))
    await crowd(sandboxes, count, ({ byName }) => byName.sandbox_create.execute({ name: "work" }))
    return sandboxes
  },
)

const onDocker = nth(
  "sessions-docker",
  "The 1,000th session in one program, on Docker",
  "As above on Docker, made cold. Each of the other sessions has asked the engine what it has; none has a sandbox.",
  async (stage, stack, count) => {
    const sandboxes = stage.sandboxes(stack, { ...small, files: () => sessionFilesMemory })
    await crowd(sandboxes, count, list)
    return sandboxes
  },
)

/** Sessions that are open for the length of a measurement, over one runtime or one for each. */
const held = async (
  stage: Stage,
  count: number,
  apart: boolean,
  measure: () => Promise<void>,
): Promise<void> => {
  await using stack = new AsyncDisposableStack()
  const own = {
    driver: docker({ host: `unix://${stage.socketPath}` }),
    idleTimeout: "20 seconds",
  } as const
  const sandboxes = apart ? undefined : stack.use(createSandboxes({ ...own, ...small }))
  const toolsets = await openSessions(
    count,
    (nth) =>
      sandboxes === undefined
        ? createTools({ ...own, ...small, sessionId: `user-${nth}` })
        : createTools({ sandboxes, sessionId: `user-${nth}` }),
    list,
  )
  stack.defer(async () => {
    await Promise.all(toolsets.map((toolset) => toolset.close()))
  })
  await measure()
}

const heldSubjects = (stage: Stage, measure: (record: Stopwatch["record"]) => Promise<void>) => {
  const counts = countsOf(stage)
  const several = counts.at(-2) ?? 1
  const subject = (name: string, count: number, apart: boolean): Subject => ({
    name,
    run: ({ record }) => held(stage, count, apart, () => measure(record)),
  })
  return [
    ...counts.map((count) => subject(nameOf(count, counts), count, false)),
    subject(`apart-${several}`, several, true),
  ]
}

const descriptors: Case = {
  name: "sessions-descriptors",
  title: "Descriptors of 1,000 sessions",
  about:
    "Open files and sockets of the program while its sessions wait, less those it had before: `cordon` has 1,000 sessions over one `createSandboxes`, `sessions-N` so many. `apart-100` has a hundred toolsets with a driver each, as `createTools({ driver })` makes them.",
  unit: "descriptors",
  rounds: 3,
  warmUp: 0,
  targets: [{ peer: "sessions-1", ratio: 3 }],
  subjects: async (stage) => {
    const open = () => readdirSync("/proc/self/fd").length
    const before = open()
    return heldSubjects(stage, async (record) => {
      // Connections that are no longer needed are closed meanwhile.
      await setTimeout(stage.quick ? 100 : 6000)
      record(Math.max(1, open() - before))
    })
  },
}

const idle: Case = {
  name: "sessions-idle",
  title: "CPU of 1,000 sessions that wait",
  about:
    "CPU time of the program in ten seconds in which nothing is asked of it, with a reaper that looks every two seconds (an `idleTimeout` of 20 seconds); by default it looks every 15. The subjects are those of the descriptors.",
  unit: "ms",
  rounds: 3,
  warmUp: 0,
  targets: [{ peer: "sessions-1", ratio: 2 }],
  subjects: async (stage) =>
    heldSubjects(stage, async (record) => {
      await setTimeout(stage.quick ? 100 : 3000)
      const before = process.cpuUsage()
      await setTimeout(stage.quick ? 200 : 10_000)
      const { user, system } = process.cpuUsage(before)
      record((user + system) / 1000)
    }),
}

export const sessionCases: ReadonlyArray<Case> = [onMemory, onDocker, descriptors, idle]
