import type { PromiseSandbox } from "@cordon/core"
import { piecesOf } from "./streams.ts"

/** Options of a command. */
export interface CommandOptions {
  readonly cwd?: string | undefined
  readonly env?: Readonly<Record<string, string>> | undefined
  /** Whether its standard input stays open. Default: the input is empty. */
  readonly stdin?: boolean | undefined
  /** Kills it. */
  readonly signal?: AbortSignal | undefined
}

/** A command that runs, or a process of a sandbox, with web streams. */
export interface Running {
  readonly stdout: ReadableStream<Uint8Array>
  readonly stderr: ReadableStream<Uint8Array>
  /** Present if it was requested. */
  readonly stdin?: WritableStream<Uint8Array>
  /** Its exit code. Rejects with the reason of the signal that killed it. */
  readonly wait: () => Promise<number>
  /** Resolves when it has ended; no effect on one that has. */
  readonly kill: () => Promise<void>
}

/** Without those options that are undefined. */
export const placeOf = ({ cwd, env }: CommandOptions) => ({
  cwd,
  env,
})

/** Bytes of one output that wait for their reader; with more than this the command waits as well. */
const waiting = 1024 ** 2

/** One output of a command. */
const makeOutput = () => {
  let controller: ReadableStreamDefaultController<Uint8Array> | undefined
  let isTaken = true
  let isCancelled = false
  let wake = () => {}
  const leave = () => {
    isTaken = false
    wake()
  }
  const stream = new ReadableStream<Uint8Array>(
    {
      start: (own) => {
        controller = own
      },
      pull: () => wake(),
      cancel: () => {
        isCancelled = true
        leave()
      },
    },
    new ByteLengthQueuingStrategy({ highWaterMark: waiting }),
  )
  return {
    stream,
    push: async (bytes: Uint8Array) => {
      while (isTaken && (controller?.desiredSize ?? 0) <= 0) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      if (isTaken) controller?.enqueue(bytes)
    },
    /** Later output is dropped, so that the command no longer waits for a reader. */
    leave,
    end: () => {
      if (!isCancelled) controller?.close()
    },
    fail: (error: unknown) => controller?.error(error),
  }
}

/**
 * Runs a command whose output is streamed completely: the command waits for slow readers, as for a
 * pipe. It ends with this program.
 */
export const startCommand = (
  sandbox: PromiseSandbox,
  command: string,
  options: CommandOptions,
): Running => {
  const { signal } = options
  const killing = new AbortController()
  const until = signal === undefined ? killing.signal : AbortSignal.any([signal, killing.signal])
  const input = options.stdin ? new TransformStream<Uint8Array, Uint8Array>() : undefined
  const outputs = { Stdout: makeOutput(), Stderr: makeOutput() }
  const both = Object.values(outputs)
  const leave = () => {
    for (const output of both) output.leave()
  }
  until.addEventListener("abort", leave, { once: true })

  const pump = async () => {
    const events = sandbox.execStream(command, {
      ...placeOf(options),
      stdin: input === undefined ? undefined : piecesOf(input.readable),
      // It runs as long as its caller wants.
      timeout: Number.POSITIVE_INFINITY,
      signal: until,
    })
    let exitCode = 137
    for await (const event of events) {
      if (event._tag === "Exit") exitCode = event.exitCode
      else await outputs[event._tag].push(event.bytes)
    }
    return exitCode
  }

  const exit = pump().then(
    (exitCode) => {
      for (const output of both) output.end()
      return exitCode
    },
    (error: unknown) => {
      const killed = killing.signal.aborted && signal?.aborted !== true
      for (const output of both) {
        if (killed) output.end()
        else output.fail(error)
      }
      if (killed) return 137
      throw error
    },
  )
  const settled = exit.then(
    () => until.removeEventListener("abort", leave),
    () => until.removeEventListener("abort", leave),
  )

  return {
    stdout: outputs.Stdout.stream,
    stderr: outputs.Stderr.stream,
    // Frameworks check whether this member exists.
    ...(input === undefined ? {} : { stdin: input.writable }),
    wait: () => exit,
    kill: () => {
      killing.abort()
      return settled
    },
  }
}
