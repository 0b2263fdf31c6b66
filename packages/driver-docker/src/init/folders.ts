/** The folder operations of `docs/init-protocol.md`, each done by a process with the user's rights. */
import { InvalidInput } from "@cordon/core"
import type { Effect, Stream } from "effect"
import {
  type Entry,
  entries,
  type Match,
  matches,
  type WatchEvent,
  watchEvents,
} from "./entries.ts"
import { errno } from "./errno.ts"
import {
  type Actor,
  flag,
  type OperationError,
  patienceOf,
  perform,
  recordsOf,
} from "./operation.ts"

/** What is listed of a folder. */
export interface ListOptions {
  /** Folders further down: 1, the default, for what is in the folder itself; 0 for all. */
  readonly depth?: number
  /** Globs of names that are passed over: none by default. */
  readonly exclude?: ReadonlyArray<string>
}

/** What is in a folder: paths relative to it, each folder before what is in it; take as many as are wanted. */
export const list = (
  actor: Actor,
  path: string,
  { depth = 1, exclude = [] }: ListOptions = {},
): Stream.Stream<Entry, OperationError> =>
  recordsOf(actor, ["list", path, String(depth), ...exclude], entries)

/** Makes a folder and those above it; no effect where it is there. */
export const makeFolder = (actor: Actor, path: string): Effect.Effect<void, OperationError> =>
  perform(actor, ["mkdir", path])

/** What is searched for in a folder's files. */
export interface SearchOptions {
  readonly pattern: string
  /** Whether the pattern is an extended regular expression: false by default. */
  readonly regex?: boolean
  /** Whether upper and lower case are the same: false by default. */
  readonly ignoreCase?: boolean
  /** What names of files must match: all by default. */
  readonly glob?: string | undefined
  /** Globs of names that are passed over: none by default. */
  readonly exclude?: ReadonlyArray<string>
}

/** Lines of files below a folder that match; take as many as are wanted. */
export const search = (
  actor: Actor,
  path: string,
  { pattern, regex, ignoreCase, glob = "", exclude = [] }: SearchOptions,
): Stream.Stream<Match, OperationError> => {
  const options = `${regex === true ? "E" : ""}${ignoreCase === true ? "i" : ""}`
  const operation = ["search", path, pattern, options, glob, ...exclude] as const
  return recordsOf(actor, operation, matches, {
    timeout: patienceOf(actor),
    explained: (number, issue) =>
      number === errno.EBADMSG ? new InvalidInput({ subject: "search pattern", issue }) : undefined,
  })
}

/**
 * What happens in a folder, from `ready` on. Ends only by failing.
 *
 * @param options `recursive`: also in all folders below; `exclude`: globs of names that are passed over
 */
export const watch = (
  actor: Actor,
  path: string,
  options: { readonly recursive?: boolean; readonly exclude?: ReadonlyArray<string> } = {},
): Stream.Stream<WatchEvent, OperationError> =>
  recordsOf(
    actor,
    ["watch", path, flag(options.recursive), ...(options.exclude ?? [])],
    watchEvents,
    // The connection's heartbeats tell of its end.
    {},
  )
