import { type CustomCommand, defineCommand, type ExecResult } from "just-bash"
import { jobNames } from "./syntax.ts"

/** A script that runs beside the one that started it. */
interface Job {
  readonly id: string
  readonly done: Promise<ExecResult>
  /** Whether its output is kept for the script that waits for it. */
  readonly held: boolean
}

/** Runs a job's script to its end. */
export type RunJob = (
  script: string,
  where: { readonly env: Readonly<Record<string, string>>; readonly cwd: string },
  held: boolean,
) => Promise<ExecResult>

const nothing = (exitCode = 0): ExecResult => ({ stdout: "", stderr: "", exitCode })

/** The commands `&`, `wait` and `jobs`, for scripts that run in no processes. */
export const makeJobs = (run: RunJob) => {
  const jobs: Array<Job> = []
  const running = new Set<Job>()

  const start = defineCommand(jobNames.start, async ([where = "", script = ""], context) => {
    const held = where === "held"
    const env = Object.fromEntries(context.env)
    const id = String(jobs.length + 1)
    const job: Job = { id, held, done: run(script, { env, cwd: context.cwd }, held) }
    jobs.push(job)
    running.add(job)
    const over = () => void running.delete(job)
    job.done.then(over, over)
    await context.assignShellVariable?.(jobNames.last, id)
    return nothing()
  })

  const wait = defineCommand(jobNames.wait, async (args) => {
    const wanted = args.filter((arg) => !arg.startsWith("-")).map((arg) => arg.replace(/^%/, ""))
    const unknown = wanted.find((id) => !jobs.some((job) => job.id === id))
    if (unknown !== undefined) {
      const stderr = `wait: pid ${unknown} is not a child of this shell\n`
      return { ...nothing(127), stderr }
    }
    const waited = wanted.length === 0 ? [...jobs] : jobs.filter(({ id }) => wanted.includes(id))
    const results = await Promise.all(waited.map(({ done }) => done))
    const all = {
      stdout: results.map(({ stdout }) => stdout).join(""),
      stderr: results.map(({ stderr }) => stderr).join(""),
    }
    return { ...all, exitCode: wanted.length === 0 ? 0 : (results.at(-1)?.exitCode ?? 0) }
  })

  const list = defineCommand("jobs", async () => ({
    ...nothing(),
    stdout: [...running].map(({ id }) => `[${id}]  Running\n`).join(""),
  }))

  const commands: ReadonlyArray<CustomCommand> = [start, wait, list]
  return {
    commands,
    /** Waits until no job runs. */
    settled: async () => {
      while (running.size > 0) await Promise.allSettled([...running].map(({ done }) => done))
    },
  }
}
