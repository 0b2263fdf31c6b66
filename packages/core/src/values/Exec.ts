import { Data, type Duration, type Effect, type Stream } from "effect"
import type { HostError } from "../errors.ts"
import type { Environment } from "./Sandbox.ts"

/** A command to run in a sandbox, as a driver takes it. */
export interface ExecRequest {
  /**
   * A script, or a program with its exact arguments. A script is run by bash where the image has
   * one, else by `/bin/sh`; to choose the shell yourself give it as a program: `["sh", "-c", "..."]`.
   * Either finds `LANG` set to a UTF-8 locale where the image has one, unless the image, the
   * sandbox or the command sets `LANG`, `LC_ALL` or `LC_CTYPE`.
   */
  readonly command: string | readonly [string, ...ReadonlyArray<string>]
  /** An absolute path; the sandbox's working directory where absent. */
  readonly cwd?: string | undefined
  /** Added to the sandbox's own variables, which it overrides; none where absent. */
  readonly env?: Environment | undefined
  /** A name or number, optionally with a group (`1000:1000`); the sandbox's user where absent. */
  readonly user?: string | undefined
  /** Fed to standard input, then closed. Absent: standard input is empty. */
  readonly stdin?: Stream.Stream<Uint8Array> | undefined
  /** After this the command and all its children are killed; unlimited where absent. */
  readonly timeout?: Duration.Duration | undefined
}

/**
 * What a running command yields: output in the order it came, then exactly one `Exit`.
 *
 * - `timedOut`: the timeout struck and the command's processes were killed.
 * - `oomKilled`: a process of the command was killed because the sandbox's memory limit was reached.
 * - `restarted`: the whole sandbox was started anew, since the command did not end when it was told
 *   to, or since a limit ended the sandbox and not only a process of it (`gvisor`). Files are intact where the runtime keeps them over a
 *   stop; other processes are gone.
 */
export type ExecEvent = Data.TaggedEnum<{
  /** A piece of its standard output. */
  Stdout: { readonly bytes: Uint8Array }
  /** A piece of its standard error. */
  Stderr: { readonly bytes: Uint8Array }
  /** How it ended. */
  Exit: {
    /** 0 to 255; 128 plus the signal's number for a command that a signal killed. */
    readonly exitCode: number
    /** Whether the timeout struck and its processes were killed. */
    readonly timedOut: boolean
    /** Whether the sandbox's memory limit killed one of its processes. */
    readonly oomKilled: boolean
    /** Whether the whole sandbox was started anew. */
    readonly restarted: boolean
  }
}>
export const ExecEvent = Data.taggedEnum<ExecEvent>()

/** A piece of one of a command's outputs. */
export type OutputEvent = Extract<ExecEvent, { readonly _tag: "Stdout" | "Stderr" }>

/** A finished command. */
export interface ExecResult {
  /** UTF-8; head and tail with a note between them where it was cut. */
  readonly stdout: string
  /** UTF-8; head and tail with a note between them where it was cut. */
  readonly stderr: string
  /** 0 to 255; 128 plus the signal's number for a command that a signal killed. */
  readonly exitCode: number
  /** Milliseconds. */
  readonly duration: number
  /** Whether either output was cut to the output limit. */
  readonly truncated: boolean
  /** Bytes that the command wrote, whether kept or cut. */
  readonly stdoutBytes: number
  /** Bytes that the command wrote, whether kept or cut. */
  readonly stderrBytes: number
  /** Whether the timeout struck and the command's processes were killed. */
  readonly timedOut: boolean
  /** Whether the sandbox's memory limit killed one of its processes. */
  readonly oomKilled: boolean
  /** Whether the whole sandbox was started anew; see {@link ExecEvent}. */
  readonly restarted: boolean
}

/** The size of a terminal in characters. */
export interface TerminalSize {
  /** Characters in a line. */
  readonly columns: number
  /** Lines. */
  readonly rows: number
}

/** A command to run on a terminal, as a driver takes it. */
export interface TerminalRequest extends Pick<ExecRequest, "command" | "cwd" | "env" | "user"> {
  /** The terminal's size when the command starts. */
  readonly size: TerminalSize
}

/** A command on a terminal of its own. */
export interface Terminal {
  /** What the terminal shows, control sequences and all; ends with the command. */
  readonly output: Stream.Stream<Uint8Array, HostError>
  /** Types; the terminal echoes it and makes signals of control characters, as any does. */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void>
  /** Tells the command (by SIGWINCH) of another size. */
  readonly resize: (size: TerminalSize) => Effect.Effect<void, HostError>
  /** Waits for the command's end. @returns its exit code */
  readonly exit: Effect.Effect<number, HostError>
}
