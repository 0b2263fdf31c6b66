import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"

export interface WorkerOptions {
  readonly database: string
  readonly socketPath: string
  readonly image: string
  readonly sessionId: string
  /** Milliseconds. */
  readonly idleTimeout: number
  readonly removeTimeout: number
  readonly network?: "internal" | "none"
  readonly subnetPool?: string
  /** Whether it also reaps, which takes steps of its own: true. */
  readonly reaps?: boolean
  /** Milliseconds by which its clock is wrong. */
  readonly clockSkew?: number
}

interface Order {
  readonly name: string
  readonly session?: string
  /** The step before which it kills itself. */
  readonly dieAt?: number
}

export type Command = { readonly id: number } & (
  | ({ readonly op: "create" | "stop" | "start" | "remove" } & Order)
  | ({ readonly op: "exec"; readonly script: string } & Order)
  | ({ readonly op: "list" | "memory" | "exit" } & Partial<Order>)
)

export type Answer = { readonly id: number; readonly steps: number } & (
  | { readonly ok: string }
  | { readonly error: string; readonly message: string }
)

type WithoutId<T> = T extends unknown ? Omit<T, "id"> : never

/** A worker process, as its parent sees it. */
export interface Worker extends AsyncDisposable {
  readonly process: ChildProcess
  /** Resolves with what the worker answered; with `killed` where it died instead. */
  readonly order: (command: WithoutId<Command>) => Promise<Answer | "killed">
  readonly signal: (signal: NodeJS.Signals) => void
  readonly ended: Promise<unknown>
}

export const startWorker = async (options: WorkerOptions): Promise<Worker> => {
  const child = spawn(
    process.execPath,
    [
      "--conditions=@cordon/source",
      "--expose-gc",
      "--disable-warning=ExperimentalWarning",
      join(import.meta.dirname, "worker.ts"),
      JSON.stringify(options),
    ],
    {
      stdio: ["ignore", "ignore", process.env["CORDON_TEST_VERBOSE"] ? "inherit" : "ignore", "ipc"],
    },
  )
  const waiting = new Map<number, (answer: Answer | "killed") => void>()
  const ended = once(child, "exit").then(() => {
    for (const resolve of waiting.values()) resolve("killed")
    waiting.clear()
  })
  const answerTo = (id: number) =>
    new Promise<Answer | "killed">((resolve) => waiting.set(id, resolve))
  child.on("message", (answer: Answer) => {
    waiting.get(answer.id)?.(answer)
    waiting.delete(answer.id)
  })
  let last = 0
  const ready = await answerTo(0)
  if (ready === "killed") throw new Error("a worker ended before it was ready")
  return {
    process: child,
    ended,
    order: (command) => {
      if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve("killed")
      const id = ++last
      const answer = answerTo(id)
      child.send({ ...command, id }, (error) => {
        if (error) waiting.get(id)?.("killed")
      })
      return answer
    },
    signal: (signal) => void child.kill(signal),
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL")
      await ended
    },
  }
}
