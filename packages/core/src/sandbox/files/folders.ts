import { posix } from "node:path"
import { Effect, Schema, Stream } from "effect"
import {
  type AlreadyExists,
  type DirectoryNotEmpty,
  type FileError,
  type InvalidInput,
  InvalidPath,
  invalidInput,
  type LeaseError,
  TooManyFiles,
} from "../../errors.ts"
import { FilePath } from "../../values/FilePath.ts"
import type { FileEntry, FileMatch } from "../../values/Files.ts"
import { wellFormed } from "../../values/Text.ts"
import type { SandboxContext } from "../context.ts"

/** What doing something with folders may fail with. */
type FolderError = FileError | LeaseError

/** How deep a folder is listed, and how much of it. */
export interface ListOptions {
  /** How many folders deep: 1, the folder's own entries, by default. */
  readonly depth?: number | undefined
  /** More entries than this are `TooManyFiles`: 10,000 by default. */
  readonly limit?: number | undefined
}

/** Whether a folder is removed with what is in it. */
export interface RemoveOptions {
  /** Whether a folder goes with all that is in it: false by default. */
  readonly recursive?: boolean | undefined
}

/** What is searched for and where. */
export interface SearchOptions {
  /** The folder to look in, with all below it: the working directory by default. */
  readonly path?: string | undefined
  /** Whether the pattern is a POSIX extended regular expression; plain text by default. */
  readonly regex?: boolean | undefined
  /** Whether case makes no difference: false by default. */
  readonly ignoreCase?: boolean | undefined
  /** Looks only into files whose name fits, such as `*.ts`. */
  readonly include?: string | undefined
  /** Names of files and folders that are passed over: `.git` and `node_modules` by default. */
  readonly exclude?: ReadonlyArray<string> | undefined
  /** Matches to return at most: 1,000 by default. */
  readonly limit?: number | undefined
}

/** Lines that match, and whether there are more. */
export interface SearchResult {
  /** The lines that match, file by file. */
  readonly matches: ReadonlyArray<FileMatch>
  /** Whether there were more matches than the limit. */
  readonly truncated: boolean
}

/** Names that are rarely what somebody looks for, and hold most of a project's files. */
export const defaultExclude: ReadonlyArray<string> = [".git", "node_modules"]

const Positive = Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0)))
const ListOptionsChecked = Schema.Struct({
  depth: Schema.optional(Positive),
  limit: Schema.optional(Positive),
})
/** Text that can stand in a command, on a line of its own. */
export const Line = Schema.String.pipe(
  Schema.check(
    Schema.isPattern(/^[^\0\n]+$/, { expected: "text without line breaks and NUL characters" }),
    Schema.isMaxLength(4096),
    wellFormed,
  ),
)
const Search = Schema.Struct({
  pattern: Line,
  include: Schema.optional(Line),
  exclude: Schema.Array(Line),
  limit: Positive,
})

const checked = <S extends Schema.Constraint & { readonly DecodingServices: never }>(
  schema: S,
  subject: string,
  input: unknown,
): Effect.Effect<S["Type"], InvalidInput> =>
  Effect.mapError(Schema.decodeUnknownEffect(schema)(input), invalidInput(subject))

/** The path without what says nothing; `..` stays, since a link may be before it. */
export const tidy = (path: FilePath) =>
  FilePath.make(path.replace(/\/(\.?\/)+/g, "/").replace(/(?<=.)\/\.?$/, ""))

/** The path without slashes at its end: they would have a link at its end followed. */
export const bare = (path: FilePath) => FilePath.make(path.replace(/(?<=.)\/+$/, ""))

/** Gives a path that is relative to a folder as an absolute one. */
export const pathBelow = (folder: FilePath, path: string) =>
  `${folder === "/" ? "" : folder}/${path}`

const refuseRoot = (path: string): Effect.Effect<void, InvalidPath> =>
  posix.normalize(path) === "/"
    ? Effect.fail(new InvalidPath({ path, reason: "it is the root of the file system" }))
    : Effect.void

// Characters of a line that are kept.
const longestLine = 1000

/** What can be done with the folders of one sandbox. */
export const makeFolders = ({ driver, id, at, use }: SandboxContext) => {
  /** Takes at most `limit` items, and tells whether that was all. */
  const take = <A, E>(items: Stream.Stream<A, E>, limit: number) =>
    // One more than is wanted: enough to tell that there is more.
    use(Stream.runCollect(Stream.take(items, limit + 1))).pipe(
      Effect.map((found) => ({ items: found.slice(0, limit), truncated: found.length > limit })),
    )

  const list = Effect.fn("Sandbox.files.list")(function* (
    path: string = ".",
    options: ListOptions = {},
  ): Effect.fn.Return<ReadonlyArray<FileEntry>, FolderError | TooManyFiles | InvalidInput> {
    const { depth = 1, limit = 10_000 } = yield* checked(
      ListOptionsChecked,
      "list options",
      options,
    )
    const folder = tidy(yield* at(path))
    const { items, truncated } = yield* take(driver.listFolder(id, folder, depth), limit)
    if (truncated) return yield* new TooManyFiles({ path: folder, limit })
    return items
      .map((entry) => ({ ...entry, path: pathBelow(folder, entry.path) }))
      .sort((a, b) => (a.path < b.path ? -1 : 1))
  })

  const search = Effect.fn("Sandbox.files.search")(function* (
    pattern: string,
    { path = ".", regex = false, ignoreCase = false, ...options }: SearchOptions = {},
  ): Effect.fn.Return<SearchResult, FolderError | InvalidInput> {
    const { limit, ...wanted } = yield* checked(Search, "search", {
      pattern,
      exclude: options.exclude ?? defaultExclude,
      limit: options.limit ?? 1000,
      include: options.include,
    })
    const folder = tidy(yield* at(path))
    const { items, truncated } = yield* take(
      driver.searchFolder(id, folder, { ...wanted, regex, ignoreCase }),
      limit,
    )
    const matches = items.map(({ path, line, text }) => ({
      path: pathBelow(folder, path),
      line,
      text: text.slice(0, longestLine).replace(/\r$/, ""),
    }))
    return { matches, truncated }
  })

  return {
    list,
    search,
    makeDirectory: Effect.fn("Sandbox.files.makeDirectory")(function* (
      path: string,
    ): Effect.fn.Return<void, FolderError> {
      yield* use(driver.makeFolder(id, yield* at(path)))
    }),
    move: Effect.fn("Sandbox.files.move")(function* (
      from: string,
      to: string,
    ): Effect.fn.Return<void, FolderError | AlreadyExists> {
      const [source, target] = [bare(yield* at(from)), bare(yield* at(to))]
      yield* refuseRoot(source)
      yield* use(driver.moveFile(id, source, target))
    }),
    remove: Effect.fn("Sandbox.files.remove")(function* (
      path: string,
      { recursive = false }: RemoveOptions = {},
    ): Effect.fn.Return<void, FolderError | DirectoryNotEmpty> {
      const target = bare(yield* at(path))
      yield* refuseRoot(target)
      yield* use(driver.removeFile(id, target, { recursive }))
    }),
  }
}
