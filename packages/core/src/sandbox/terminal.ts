import { Effect, Schema, type Scope, type Stream } from "effect"
import {
  type ExecError,
  type HostError,
  type InvalidInput,
  invalidInput,
  type LeaseError,
  type Unsupported,
} from "../errors.ts"
import type { ExecRequest, TerminalSize } from "../values/Exec.ts"
import { encodeText } from "../values/Text.ts"
import type { SandboxContext } from "./context.ts"
import type { Commands } from "./exec/commands.ts"

/** What runs on a terminal, as which user, and how big the terminal is. */
export interface TerminalOptions {
  /** A string is a script for the image's bash, else sh. Default: that shell itself. */
  readonly command?: ExecRequest["command"] | undefined
  /** Relative to the sandbox's working directory, which is also the default. */
  readonly cwd?: string | undefined
  /** Variables added to those of the sandbox. `TERM` is `xterm-256color` by default. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** A name or number, optionally with a group (`1000:1000`). Default: the sandbox's user. */
  readonly user?: string | undefined
  /** Columns and rows. Default: 80 and 24. */
  readonly size?: TerminalSize | undefined
}

/** A command on a terminal of its own. It is killed when the scope closes that it was opened in. */
export interface SandboxTerminal {
  /** What the terminal shows, with its control sequences. The stream ends with the command. */
  readonly output: Stream.Stream<Uint8Array, HostError | LeaseError>
  /**
   * Types text or bytes: `"ls\n"`, or `"\x03"` for control-C.
   *
   * @example
   * const terminal = yield* sandbox.terminal()
   * yield* terminal.write("top\n")
   * yield* terminal.write("\x03")
   */
  readonly write: (data: string | Uint8Array) => Effect.Effect<void, InvalidInput>
  /**
   * Changes the size of the terminal: 1 to 9,999 columns and rows.
   *
   * @example
   * const terminal = yield* sandbox.terminal()
   * yield* terminal.resize({ columns: 120, rows: 40 })
   */
  readonly resize: (size: TerminalSize) => Effect.Effect<void, HostError | InvalidInput>
  /** Waits for the command's end and gives its exit code. */
  readonly exit: Effect.Effect<number, HostError>
}

/** Why a terminal may fail. */
export type TerminalError = ExecError | LeaseError

/** Runs the shell that people expect, where the image has it. */
const shell = "if command -v bash >/dev/null; then exec bash; else exec sh; fi"

const Cells = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 9999 })))
const Size = Schema.Struct({ columns: Cells, rows: Cells })

const checkSize = (size: TerminalSize): Effect.Effect<TerminalSize, InvalidInput> =>
  Effect.mapError(Schema.decodeUnknownEffect(Size)(size), invalidInput("terminal size"))

/** Opens terminals of one sandbox. */
export const makeTerminals = (
  { driver, id, need, useStream, useFor }: SandboxContext,
  { prepare }: Commands,
) =>
  Effect.fn("Sandbox.terminal")(function* (
    options: TerminalOptions = {},
  ): Effect.fn.Return<SandboxTerminal, TerminalError | Unsupported, Scope.Scope> {
    yield* need("terminals")
    const size = yield* checkSize(options.size ?? { columns: 80, rows: 24 })
    const { request } = yield* prepare(options.command ?? shell, options)
    const { output, write, resize, exit } = yield* useFor(request.timeout)(
      driver.terminal(id, { ...request, size }),
    )
    return {
      output: useStream(output),
      write: (data) =>
        typeof data === "string"
          ? Effect.flatMap(encodeText("input of the terminal", data), write)
          : write(data),
      resize: (size) => Effect.flatMap(checkSize(size), resize),
      exit,
    }
  })
