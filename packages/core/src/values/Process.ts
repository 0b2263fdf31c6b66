import { Data, type Effect, type Stream } from "effect"
import type { ExecRequest } from "./Exec.ts"

/** A background process to start, as a driver takes it. */
export interface ProcessRequest extends Pick<ExecRequest, "command" | "cwd" | "env" | "user"> {
  /** Its name, which no other running process of the sandbox has. */
  readonly name: string
  /** What `ProcessInfo.command` says: at most 1,000 bytes of UTF-8, without NUL. */
  readonly description: string
  /** Whether its standard input stays open for those who attach; it is empty otherwise. */
  readonly stdin: boolean
}

/** A background process as the sandbox knows it. */
export interface ProcessInfo {
  /** Its name within the sandbox. */
  readonly name: string
  /** As it was started, at most 1,000 bytes of it. */
  readonly command: string
  /** Whether the process itself runs; what it started may go on once it has exited. */
  readonly status: "running" | "exited"
  /** Of one that has exited, 0 to 255: 128 plus the signal's number for one that a signal ended. */
  readonly exitCode?: number
  /** By this program's clock. */
  readonly startedAt: Date
  /** Bytes that it has written, to both outputs together. */
  readonly outputBytes: number
}

/**
 * What following a background process yields: its output in the order it came, then exactly one `Exit`.
 * `Lost` stands where output is missing: a sandbox keeps the last 1 MiB of what each process wrote, so
 * that what came before is gone for those who begin to follow later, or read too slowly.
 */
export type ProcessEvent = Data.TaggedEnum<{
  /** A piece of its standard output. */
  Stdout: { readonly bytes: Uint8Array }
  /** A piece of its standard error. */
  Stderr: { readonly bytes: Uint8Array }
  /** How many bytes are missing here, of both outputs together. */
  Lost: { readonly bytes: number }
  /** How it ended: 0 to 255; 128 plus the signal's number for a process that a signal ended. */
  Exit: { readonly exitCode: number }
}>
export const ProcessEvent = Data.taggedEnum<ProcessEvent>()

/** A background process that somebody is attached to, as a driver gives it. */
export interface AttachedProcess<E> {
  /** Whether its input is open. */
  readonly takesInput: boolean
  /** For one consumer. */
  readonly events: Stream.Stream<ProcessEvent, E>
  /**
   * Writes to its input, and waits until the process or its pipe has taken all of it. It has no effect
   * where it takes none.
   */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void>
  /** Closes its input, for all that are attached. */
  readonly end: Effect.Effect<void>
  /** Sends a signal, by Linux's number, to its process group; no effect once it has ended. */
  readonly signal: (number: number) => Effect.Effect<void>
}

/** The signals that a background process can be sent, with Linux's numbers. */
export const signalNumbers = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGKILL: 9,
  SIGUSR1: 10,
  SIGUSR2: 12,
  SIGALRM: 14,
  SIGTERM: 15,
  SIGCONT: 18,
  SIGSTOP: 19,
  SIGTSTP: 20,
  SIGWINCH: 28,
} as const

/** A signal by its name. */
export type Signal = keyof typeof signalNumbers
