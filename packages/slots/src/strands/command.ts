import { ExecEvent, HeadAndTail, InvalidInput, type PromiseSandbox } from "@cordon/core"
import { SandboxAbortError, SandboxTimeoutError } from "@strands-agents/sdk"
import type { ExecuteOptions, ExecutionResult, StreamChunk } from "@strands-agents/sdk/sandbox"
import { placeOf } from "../shared/command.ts"
import { explainedStderr } from "../shared/outcome.ts"
import type { StrandsOptions } from "../strands.ts"

interface Command {
  readonly command: string
  readonly stdin?: string
}

const streams = { Stdout: "stdout", Stderr: "stderr" } as const

/** Seconds that a command may run; undefined for the sandbox's own setting. */
const secondsOf = ({ timeout }: ExecuteOptions, { maxTimeout = 600 }: StrandsOptions) => {
  if (timeout === undefined) return undefined
  if (!(timeout > 0)) {
    throw new InvalidInput({
      subject: "timeout",
      issue: "it must be a number of seconds above zero",
    })
  }
  return Math.min(timeout, maxTimeout)
}

const signalOf = (signals: ReadonlyArray<AbortSignal | undefined>) => {
  const given = signals.filter((signal) => signal !== undefined)
  return given.length === 0 ? undefined : AbortSignal.any(given)
}

/** A command as it writes, and its result at the end. A reader that is slow slows it down. */
export async function* streamCommand(
  sandbox: PromiseSandbox,
  { command, stdin }: Command,
  asked: ExecuteOptions,
  options: StrandsOptions,
): AsyncGenerator<StreamChunk | ExecutionResult, void, undefined> {
  const seconds = secondsOf(asked, options)
  const signal = signalOf([asked.signal, options.signal])
  const { outputLimit = 64 * 1024 } = options
  const kept = { Stdout: new HeadAndTail(outputLimit), Stderr: new HeadAndTail(outputLimit) }
  const decoders = { Stdout: new TextDecoder(), Stderr: new TextDecoder() }
  const begun = performance.now()
  const events = sandbox.execStream(command, {
    ...placeOf(asked),
    stdin,
    timeout: seconds === undefined ? undefined : seconds * 1000,
    signal,
  })
  let exit = ExecEvent.Exit({ exitCode: 137, timedOut: false, oomKilled: false, restarted: false })
  try {
    for await (const event of events) {
      if (event._tag === "Exit") {
        exit = event
        continue
      }
      kept[event._tag].push(event.bytes)
      const data = decoders[event._tag].decode(event.bytes, { stream: true })
      if (data !== "") yield { type: "streamChunk", data, streamType: streams[event._tag] }
    }
  } catch (error) {
    throw signal?.aborted ? new SandboxAbortError() : error
  }
  const stdout = kept.Stdout.text
  const duration = performance.now() - begun
  const stderr = explainedStderr({ ...exit, stderr: kept.Stderr.text, duration }, sandbox)
  if (exit.timedOut) {
    throw new SandboxTimeoutError(seconds ?? Math.round(duration / 1000), stdout, stderr)
  }
  const { exitCode } = exit
  yield { type: "executionResult", exitCode, stdout, stderr, outputFiles: [] }
}
