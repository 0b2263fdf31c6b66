import { Effect, Schema, type Stream } from "effect"
import {
  type ExecError,
  type HostError,
  type InvalidInput,
  invalidInput,
  type LeaseError,
} from "../errors.ts"
import type { ExecRequest, TerminalSize } from "../values/Exec.ts"

/** What runs on a terminal, as whom, and how big it is. */
export interface TerminalOptions {
  /** The image's bash, else sh, by default. A string is a script for that shell. */
  readonly command?: ExecRequest["command"] | undefined
  /** Relative to the sandbox's working directory, which is also the default. */
  readonly cwd?: string | undefined
  /** `TERM` is `xterm-256color` unless it is given. */
  readonly env?: Readonly<Record<string, string>> | undefined
  readonly user?: string | undefined
  /** 80 columns and 24 rows by default. */
  readonly size?: TerminalSize | undefined
}

/** A command on a terminal of its own; it ends with the scope that it was opened in. */
export interface SandboxTerminal {
  /** What the terminal shows, control sequences and all; ends with the command. */
  readonly output: Stream.Stream<Uint8Array, HostError | LeaseError>
  /** Types: `"ls\n"`, or `"\x03"` for control-C. */
  readonly write: (data: string | Uint8Array) => Effect.Effect<void, InvalidInput>
  readonly resize: (size: TerminalSize) => Effect.Effect<void, HostError | InvalidInput>
  /** Waits for the command's end. @returns its exit code */
  readonly exit: Effect.Effect<number, HostError>
}

/** What a terminal may fail with. */
export type TerminalError = ExecError | LeaseError

/** The shell that people expect, where the image has it. */
export const shell = "if command -v bash >/dev/null; then exec bash; else exec sh; fi"

const Cells = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 9999 })))
const Size = Schema.Struct({ columns: Cells, rows: Cells })

export const checkSize = (size: TerminalSize): Effect.Effect<TerminalSize, InvalidInput> =>
  Effect.mapError(Schema.decodeUnknownEffect(Size)(size), invalidInput("terminal size"))
