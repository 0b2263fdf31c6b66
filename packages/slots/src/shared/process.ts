import {
  type ProcessEvent,
  type PromiseProcess,
  type PromiseSandbox,
  type Signal,
  Unexpected,
} from "@cordon/core"
import { type CommandOptions, placeOf, type Running } from "./command.ts"
import { streamOf } from "./streams.ts"

/** One output of a process; it is followed from its beginning once somebody reads. */
const outputOf = (process: PromiseProcess, wanted: "Stdout" | "Stderr") => {
  let events: AsyncIterator<ProcessEvent> | undefined
  const iterator: AsyncIterator<Uint8Array> = {
    next: async () => {
      events ??= process.follow()[Symbol.asyncIterator]()
      while (true) {
        const { done, value } = await events.next()
        if (done) return { done, value: undefined }
        if (value._tag === wanted) return { done: false, value: value.bytes }
        if (value._tag === "Lost") throw lost(process, value)
      }
    },
    return: async () => {
      await events?.return?.()
      return { done: true, value: undefined }
    },
  }
  return streamOf({ [Symbol.asyncIterator]: () => iterator })
}

const lost = ({ name }: PromiseProcess, { bytes }: Extract<ProcessEvent, { _tag: "Lost" }>) =>
  new Unexpected({
    reason: `the process ${name} lost ${bytes} bytes of output: only the newest 1 MiB is kept until it is read`,
  })

/** Standard input of a process as a web stream; closing it closes the input. */
const inputOf = (process: PromiseProcess) =>
  new WritableStream<Uint8Array>({
    write: (bytes) => process.write(bytes),
    close: () => process.closeStdin(),
    abort: () => process.closeStdin(),
  })

/** A background process. */
export interface RunningProcess extends Running {
  /** As `kill`, without time to end by itself. */
  readonly killNow: () => Promise<void>
  /** Sends it a signal, and does not wait for what comes of that. */
  readonly send: (signal: Signal) => Promise<void>
}

/** A background process with web streams. It continues after this program ends. */
const runningOf = (
  process: PromiseProcess,
  { stdin, signal }: Pick<CommandOptions, "stdin" | "signal">,
): RunningProcess => {
  let killed: Promise<void> | undefined
  const killNow = () => process.kill({ grace: 0 })
  const abort = () => {
    killed = killNow()
    // `wait` reports a failure.
    killed.catch(() => {})
  }
  signal?.addEventListener("abort", abort, { once: true })
  return {
    stdout: outputOf(process, "Stdout"),
    stderr: outputOf(process, "Stderr"),
    ...(stdin ? { stdin: inputOf(process) } : {}),
    wait: async () => {
      const exitCode = await process.wait()
      signal?.removeEventListener("abort", abort)
      await killed
      signal?.throwIfAborted()
      return exitCode
    },
    kill: () => process.kill(),
    killNow,
    send: (name) => process.signal(name),
  }
}

/** Starts a command that continues after this program ends, until it is killed or its sandbox stops. */
export const startProcess = async (
  sandbox: PromiseSandbox,
  command: string,
  options: CommandOptions,
): Promise<RunningProcess> => {
  const { signal, stdin } = options
  const process = await sandbox.processes.start(command, {
    ...placeOf(options),
    stdin,
    signal,
  })
  return runningOf(process, { stdin, signal })
}
