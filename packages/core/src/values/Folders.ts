import { Data } from "effect"
import type { FileEntry } from "./Files.ts"

/** What is searched for in the text files of a folder and of all folders below. */
export interface FolderSearch {
  /** The text, or the regular expression, that a line must contain. */
  readonly pattern: string
  /** Whether the pattern is a POSIX extended regular expression; it is plain text where not. */
  readonly regex: boolean
  /** Whether upper and lower case are the same. */
  readonly ignoreCase: boolean
  /** A glob that a file's name must match; all are looked into where absent. */
  readonly include?: string | undefined
  /** Globs of names of files and folders that are passed over. */
  readonly exclude: ReadonlyArray<string>
}

/** Which part of a folder is watched. */
export interface FolderWatch {
  /** Whether all folders below are watched too. */
  readonly recursive: boolean
  /** Globs of names of files and folders that are passed over. */
  readonly exclude: ReadonlyArray<string>
}

/**
 * What a watch tells of a folder. Each of its looks at all that is there is `Found` for each entry and
 * then `Complete`; between looks it tells of changes.
 *
 * - `Found`: the entry is there, as it says. It may be told of again without having changed.
 * - `Gone`: nothing is at this path any more, nor below it.
 * - `Complete`: a look has ended.
 * - `Anew`: what was told so far counts no more, and a look follows.
 */
export type FolderChange = Data.TaggedEnum<{
  /** The entry, whose path is below the folder. */
  Found: { readonly entry: FileEntry }
  /** Its path below the folder. */
  Gone: { readonly path: string }
  /** No more than its tag: all that is there has been found. */
  Complete: Record<never, never>
  /** No more than its tag: what was found so far may be gone. */
  Anew: Record<never, never>
}>
export const FolderChange = Data.taggedEnum<FolderChange>()
