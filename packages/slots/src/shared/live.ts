import { type PromiseSandbox, Unsupported } from "@cordon/core"
import { type CommandOptions, placeOf } from "./command.ts"

/** A command that takes input, and whose output is polled. */
export interface LiveCommand {
  /** Waits until it ends, or as many milliseconds. @returns whether it has ended */
  readonly settle: (milliseconds: number) => Promise<boolean>
  /** Undefined while it runs. Throws what following it failed with. */
  readonly exitCode: () => number | undefined
  /** Its output since the last call: at most the last million characters. */
  readonly take: () => Output
  readonly write: (text: string) => Promise<void>
  /** Sends what control-C sends. */
  readonly interrupt: () => Promise<void>
  readonly kill: () => Promise<void>
}

/** The output of a command. */
export interface Output {
  /** Both outputs in the order of arrival. */
  readonly both: string
  readonly stdout: string
  readonly stderr: string
}

/** Options of a live command. */
export interface LiveOptions extends Omit<CommandOptions, "stdin" | "signal"> {
  readonly user?: string | undefined
  /** Whether it gets a terminal. */
  readonly tty?: boolean | undefined
}

type Piece =
  | { readonly stream: "stdout" | "stderr"; readonly bytes: Uint8Array }
  | { readonly exitCode: number }

interface Source extends Pick<LiveCommand, "write" | "interrupt" | "kill"> {
  readonly pieces: AsyncIterable<Piece>
}

type Command = string | readonly [string, ...ReadonlyArray<string>]

const optionsOf = (options: LiveOptions) => ({
  ...placeOf(options),
  user: options.user,
})

const onTerminal = async (sandbox: PromiseSandbox, command: Command, options: LiveOptions) => {
  const terminal = await sandbox.terminal({ ...optionsOf(options), command })
  const pieces = async function* (): AsyncGenerator<Piece> {
    for await (const bytes of terminal.output) yield { stream: "stdout", bytes }
    yield { exitCode: await terminal.wait() }
  }
  const source: Source = {
    pieces: pieces(),
    write: (text) => terminal.write(text),
    interrupt: () => terminal.write("\x03"),
    kill: () => terminal.close(),
  }
  return source
}

const lost = (bytes: number) =>
  new TextEncoder().encode(`\n[${bytes} bytes of output are no longer kept]\n`)

const asProcess = async (sandbox: PromiseSandbox, command: Command, options: LiveOptions) => {
  const process = await sandbox.processes.start(command, { ...optionsOf(options), stdin: true })
  const pieces = async function* (): AsyncGenerator<Piece> {
    for await (const event of process.follow()) {
      if (event._tag === "Exit") yield { exitCode: event.exitCode }
      else if (event._tag === "Lost") yield { stream: "stderr", bytes: lost(event.bytes) }
      else yield { stream: event._tag === "Stdout" ? "stdout" : "stderr", bytes: event.bytes }
    }
  }
  const source: Source = {
    pieces: pieces(),
    write: (text) => process.write(text),
    interrupt: () => process.signal("SIGINT"),
    kill: () => process.kill({ grace: "1 second" }),
  }
  return source
}

/** For sandboxes without background processes: the command takes no input, and ends with this program. */
const asCommand = (
  sandbox: PromiseSandbox,
  command: Command,
  options: LiveOptions,
  lack: Unsupported,
): Source => {
  const killing = new AbortController()
  const pieces = async function* (): AsyncGenerator<Piece> {
    const events = sandbox.execStream(command, {
      ...optionsOf(options),
      timeout: Number.POSITIVE_INFINITY,
      signal: killing.signal,
    })
    try {
      for await (const event of events) {
        if (event._tag === "Exit") yield { exitCode: event.exitCode }
        else yield { stream: event._tag === "Stdout" ? "stdout" : "stderr", bytes: event.bytes }
      }
    } catch (error) {
      if (!killing.signal.aborted) throw error
      yield { exitCode: 137 }
    }
  }
  const kill = async () => killing.abort()
  return { pieces: pieces(), write: () => Promise.reject(lack), interrupt: kill, kill }
}

const sourceOf = async (sandbox: PromiseSandbox, command: Command, options: LiveOptions) => {
  if (options.tty) return await onTerminal(sandbox, command, options)
  try {
    return await asProcess(sandbox, command, options)
  } catch (error) {
    if (error instanceof Unsupported) return asCommand(sandbox, command, options, error)
    throw error
  }
}

const kept = 1_000_000

/** Text that comes in pieces and is taken from time to time; of what nobody takes the end is kept. */
const makeText = () => {
  let text = ""
  let dropped = 0
  return {
    add: (more: string) => {
      text += more
      if (text.length <= 2 * kept) return
      dropped += text.length - kept
      text = text.slice(-kept)
    },
    take: () => {
      const note =
        dropped === 0 ? "" : `[...${dropped} characters truncated from process output...]\n`
      const taken = note + text
      text = ""
      dropped = 0
      return taken
    },
  }
}

/** Starts a command that may go on after its caller has looked at it. */
export const startLive = async (
  sandbox: PromiseSandbox,
  command: Command,
  options: LiveOptions,
): Promise<LiveCommand> => {
  const { pieces, ...source } = await sourceOf(sandbox, command, options)
  const texts = { both: makeText(), stdout: makeText(), stderr: makeText() }
  const decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() }
  let code: number | undefined
  let failure: { readonly error: unknown } | undefined

  const collect = async () => {
    for await (const piece of pieces) {
      if ("exitCode" in piece) {
        code = piece.exitCode
        continue
      }
      const { stream, bytes } = piece
      const text = decoders[stream].decode(bytes, { stream: true })
      texts[stream].add(text)
      texts.both.add(text)
    }
    code ??= 137
  }
  const ended = collect().catch((error: unknown) => {
    failure = { error }
  })

  return {
    ...source,
    settle: async (milliseconds) => {
      let timer: NodeJS.Timeout | undefined
      const late = new Promise<boolean>((resolve) => {
        timer = setTimeout(() => resolve(false), milliseconds)
      })
      try {
        return await Promise.race([ended.then(() => true), late])
      } finally {
        clearTimeout(timer)
      }
    },
    exitCode: () => {
      if (failure !== undefined) throw failure.error
      return code
    },
    take: () => ({
      both: texts.both.take(),
      stdout: texts.stdout.take(),
      stderr: texts.stderr.take(),
    }),
  }
}
