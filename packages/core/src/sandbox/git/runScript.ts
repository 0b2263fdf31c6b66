import { Effect, type Stream } from "effect"
import { type ExecError, type FileError, type LeaseError, StorageFailed } from "../../errors.ts"
import type { ExecEvent, ExecRequest } from "../../values/Exec.ts"
import { collectOutput } from "../exec/Output.ts"
import { fileError } from "./fileScripts.ts"

/** Runs commands in one sandbox, renewing its lease. */
export type RunCommand = (request: ExecRequest) => Stream.Stream<ExecEvent, ExecError | LeaseError>

/** What the small programs that Cordon runs inside a sandbox may fail with. */
export type ScriptError = FileError | LeaseError

/** A helper script with its arguments, as a command. */
export const scriptCommand = (
  script: string,
  ...args: ReadonlyArray<string>
): Pick<ExecRequest, "cwd"> & {
  readonly command: readonly [string, ...ReadonlyArray<string>]
} => ({
  command: ["/bin/sh", "-c", script, "sh", ...args],
  cwd: "/",
})

// The helpers run as the sandbox's user: a user that is unknown is the sandbox's own fault.
const asFileError = (path: string) => (error: ExecError | LeaseError) =>
  error._tag === "InvalidInput" ? new StorageFailed({ path, reason: error.issue }) : error

const overdue = (path: string) =>
  new StorageFailed({ path, reason: "it took longer than the time limit of a command" })

/** The error for a helper that did not end well; undefined where it did. */
export type Judge<E> = (exitCode: number, stdout: string, stderr: string) => E | undefined

// Bytes of each output of a helper.
const maxOutput = 1024 * 1024

/** Runs a helper and returns what it printed. */
export const runScript = Effect.fnUntraced(function* <E = never>(
  run: RunCommand,
  path: string,
  request: ExecRequest,
  judge: Judge<E> = () => undefined,
) {
  const result = yield* collectOutput(run(request), maxOutput).pipe(
    Effect.mapError(asFileError(path)),
  )
  if (result.timedOut) return yield* overdue(path)
  const { exitCode, stdout, stderr } = result
  if (exitCode === 0) return result
  const judged = judge(exitCode, stdout, stderr)
  if (judged !== undefined) return yield* Effect.fail(judged)
  return yield* fileError(path, exitCode, stderr)
})
