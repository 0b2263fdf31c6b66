/** The folder operations of `docs/init-protocol.md`. Each runs in a process with the user's rights. */
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

/** The options of a listing. */
export interface ListOptions {
  /** How many levels are listed. 1, the default, lists the folder itself; 0 lists all levels. */
  readonly depth?: number
  /** Globs of names that are skipped. Default: none. */
  readonly exclude?: ReadonlyArray<string>
}

/**
 * Lists a folder, with paths relative to it; a folder comes before its content. The stream may be
 * ended early.
 */
export const list = (
  actor: Actor,
  path: string,
  { depth = 1, exclude = [] }: ListOptions = {},
): Stream.Stream<Entry, OperationError> =>
  recordsOf(actor, ["list", path, String(depth), ...exclude], entries)

/** Makes a folder and its parents. No effect if it exists. */
export const makeFolder = (actor: Actor, path: string): Effect.Effect<void, OperationError> =>
  perform(actor, ["mkdir", path])

/** The options of a search in a folder's files. */
export interface SearchOptions {
  readonly pattern: string
  /** Whether the pattern is an extended regular expression. Default: false. */
  readonly regex?: boolean
  /** Whether upper and lower case are the same. Default: false. */
  readonly ignoreCase?: boolean
  /** A glob that the names of searched files must match. Default: all files. */
  readonly glob?: string | undefined
  /** Globs of names that are skipped. Default: none. */
  readonly exclude?: ReadonlyArray<string>
}

/** The matching lines in files below a folder. The stream may be ended early. */
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
 * Watches a folder: events from `ready` on. The stream ends only with an error.
 *
 * @param options `recursive`: also watches all folders below; `exclude`: globs of names that are
 * skipped
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
    // No timeout: the connection's heartbeats reveal its end.
    {},
  )
