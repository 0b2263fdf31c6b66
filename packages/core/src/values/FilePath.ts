import { Effect, Schema } from "effect"
import { InvalidPath } from "../errors.ts"
import { textProblem } from "./Text.ts"

/**
 * An absolute path inside a sandbox. Every name that Linux allows is allowed (spaces, newlines, a
 * leading dash); symlinks and `..` are resolved by the sandbox itself, within itself.
 */
export const FilePath = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^\/[^\0]*$/)),
  Schema.brand("FilePath"),
)
export type FilePath = typeof FilePath.Type

const longestPath = 4095 // PATH_MAX less its terminator
const longestName = 255 // NAME_MAX

const problemOf = (path: string): string | undefined => {
  if (path === "") return "it is empty"
  if (path.includes("\0")) return "it contains a NUL character"
  const illFormed = textProblem(path)
  if (illFormed !== undefined) return illFormed
  if (Buffer.byteLength(path) > longestPath) return `it is longer than ${longestPath} bytes`
  if (path.split("/").some((part) => Buffer.byteLength(part) > longestName)) {
    return `a part of it is longer than ${longestName} bytes`
  }
  return undefined
}

/** Makes a path that a caller gave absolute, against the sandbox's working directory. */
export const sandboxPath = (
  path: string,
  workdir: string,
): Effect.Effect<FilePath, InvalidPath> => {
  const problem = problemOf(path)
  if (problem !== undefined) return Effect.fail(new InvalidPath({ path, reason: problem }))
  return Effect.succeed(
    FilePath.make(path.startsWith("/") ? path : `${workdir.replace(/\/+$/, "")}/${path}`),
  )
}

/** A path inside session storage: relative, `/`-separated, without `.` or `..`; `""` is the root. */
export const StoragePath = Schema.String.pipe(Schema.brand("StoragePath"))
export type StoragePath = typeof StoragePath.Type

/**
 * Normalises a path inside session storage. Absolute paths and any `..` are refused rather than
 * reinterpreted: they come from models and archives, and must not surprise.
 */
export const storagePath = (path: string): Effect.Effect<StoragePath, InvalidPath> => {
  const refuse = (reason: string) => Effect.fail(new InvalidPath({ path, reason }))
  const problem = problemOf(path)
  if (problem !== undefined) return refuse(problem)
  if (path.startsWith("/")) return refuse("paths in session storage are relative")
  const parts = path.split("/").filter((part) => part !== "" && part !== ".")
  if (parts.includes("..")) return refuse('".." would leave session storage')
  return Effect.succeed(StoragePath.make(parts.join("/")))
}
