import { posix } from "node:path"
import { Effect, Schema, Stream } from "effect"
import {
  AlreadyExists,
  DirectoryNotEmpty,
  InvalidInput,
  InvalidPath,
  invalidInput,
  StorageFailed,
  TooManyFiles,
} from "../errors.ts"
import type { FileEntry, FileMatch } from "../values/Files.ts"
import { wellFormed } from "../values/Text.ts"
import { explain, fileError, fileExit } from "./fileScripts.ts"
import type { ResolvePath } from "./home.ts"
import { ListingParser, listScript } from "./listing.ts"
import { badPattern, MatchParser, searchScript } from "./search.ts"
import {
  type RunCommand,
  runScript,
  type ScriptError,
  scriptCommand,
  streamScript,
} from "./shell.ts"

/** How deep a folder is listed, and how much of it. */
export interface ListOptions {
  /** How many folders deep: 1, the folder's own entries, by default. */
  readonly depth?: number
  /** More entries than this are `TooManyFiles`: 10,000 by default. */
  readonly limit?: number
}

/** Whether a folder is removed with what is in it. */
export interface RemoveOptions {
  /** Whether a folder goes with all that is in it: false by default. */
  readonly recursive?: boolean
}

/** What is searched for and where. */
export interface SearchOptions {
  /** The folder to look in, with all below it: the working directory by default. */
  readonly path?: string
  /** Whether the pattern is a POSIX extended regular expression; plain text by default. */
  readonly regex?: boolean
  /** Whether case makes no difference: false by default. */
  readonly ignoreCase?: boolean
  /** Looks only into files whose name fits, such as `*.ts`. */
  readonly include?: string
  /** Names of files and folders that are passed over: `.git` and `node_modules` by default. */
  readonly exclude?: ReadonlyArray<string>
  /** Matches to return at most: 1,000 by default. */
  readonly limit?: number
}

/** Lines that match, and whether there are more. */
export interface SearchResult {
  readonly matches: ReadonlyArray<FileMatch>
  /** Whether there were more matches than the limit. */
  readonly truncated: boolean
}

/** Names that are rarely what somebody looks for, and hold most of a project's files. */
export const defaultExclude: ReadonlyArray<string> = [".git", "node_modules"]

const exit = { ...fileExit, exists: 82, notEmpty: 83 } as const

/** Makes the folder $dir with those above it, or says why that can't be done. */
export const ensureFolder = `
above=$dir
while [ ! -e "$above" ] && [ -n "$above" ]; do above=\${above%/*}; done
[ -d "\${above:-/}" ] || exit ${exit.notDirectory}
mkdir -p "$dir" || { [ -w "\${above:-/}" ] || exit ${exit.denied}; exit ${exit.failed}; }
`

/** $1: path. */
const makeDirectoryScript = `dir=$1
${ensureFolder}`

/** $1: path, $2: 1 if a folder goes with what is in it. */
const removeScript = `${explain}
[ -e "$1" ] || [ -L "$1" ] || { explain "$1"; exit ${exit.notFound}; }
if [ ! -d "$1" ] || [ -L "$1" ]; then
  rm -f "$1" || exit ${exit.failed}
elif [ "$2" = 1 ]; then
  rm -rf "$1" || exit ${exit.failed}
else
  rmdir "$1" 2>/dev/null || { [ -z "$(ls -A "$1")" ] || exit ${exit.notEmpty}; exit ${exit.denied}; }
fi
`

/** $1: from, $2: to. Prints "to" when what is wrong from there on is wrong with the second path. */
const moveScript = `${explain}
[ -e "$1" ] || [ -L "$1" ] || { explain "$1"; exit ${exit.notFound}; }
echo to
[ ! -d "$2" ] || exit ${exit.exists}
if [ -d "$1" ] && [ ! -L "$1" ] && [ -e "$2" ]; then exit ${exit.exists}; fi
dir=\${2%/*}
dir=\${dir:-/}
${ensureFolder}
[ -w "$dir" ] || exit ${exit.denied}
mv -f "$1" "$2" || exit ${exit.failed}
`

const Positive = Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0)))
const ListOptionsChecked = Schema.Struct({
  depth: Schema.optionalKey(Positive),
  limit: Schema.optionalKey(Positive),
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
  include: Schema.optionalKey(Line),
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
export const tidy = (path: string) => path.replace(/\/(\.?\/)+/g, "/").replace(/(?<=.)\/\.?$/, "")

/** The path without slashes at its end: they would have a link at its end followed. */
export const bare = (path: string) => path.replace(/(?<=.)\/+$/, "")

const refuseRoot = (path: string): Effect.Effect<void, InvalidPath> =>
  posix.normalize(path) === "/"
    ? Effect.fail(new InvalidPath({ path, reason: "it is the root of the file system" }))
    : Effect.void

/** Takes at most `limit` items of what a parser makes of a stream, and tells whether that was all. */
const takeParsed = Effect.fnUntraced(function* <A, E>(
  bytes: Stream.Stream<Uint8Array, E>,
  push: (piece: Uint8Array) => ReadonlyArray<A>,
  limit: number,
) {
  const found = yield* bytes.pipe(
    Stream.mapEffect((piece) =>
      Effect.try({
        try: () => push(piece),
        catch: (cause) =>
          cause instanceof StorageFailed
            ? cause
            : new StorageFailed({ path: "", reason: String(cause) }),
      }),
    ),
    Stream.flattenIterable,
    // One more than is wanted: enough to tell that there is more.
    Stream.take(limit + 1),
    Stream.runCollect,
  )
  return { items: found.slice(0, limit), truncated: found.length > limit }
})

/** What can be done with folders through a sandbox's own commands, whatever the driver. */
export const makeFolders = (run: RunCommand, at: ResolvePath) => {
  const list = Effect.fn("Sandbox.files.list")(function* (
    path: string = ".",
    options: ListOptions = {},
  ): Effect.fn.Return<ReadonlyArray<FileEntry>, ScriptError | TooManyFiles | InvalidInput> {
    const { depth = 1, limit = 10_000 } = yield* checked(
      ListOptionsChecked,
      "list options",
      options,
    )
    const folder = yield* at(path)
    const parser = new ListingParser(tidy(folder))
    const { items, truncated } = yield* takeParsed(
      streamScript(run, folder, scriptCommand(listScript, folder, String(depth))),
      (piece) => parser.push(piece),
      limit,
    )
    if (truncated) return yield* new TooManyFiles({ path: folder, limit })
    if (!parser.complete) return yield* parser.malformed()
    return items.sort((a, b) => (a.path < b.path ? -1 : 1))
  })

  const search = Effect.fn("Sandbox.files.search")(function* (
    pattern: string,
    options: SearchOptions = {},
  ): Effect.fn.Return<SearchResult, ScriptError | InvalidInput> {
    const { include, exclude, limit } = yield* checked(Search, "search", {
      pattern,
      exclude: options.exclude ?? defaultExclude,
      limit: options.limit ?? 1000,
      ...(options.include === undefined ? {} : { include: options.include }),
    })
    const folder = yield* at(options.path ?? ".")
    const flags = `-n${options.regex ? "E" : "F"}${options.ignoreCase ? "i" : ""}`
    const parser = new MatchParser(tidy(folder))
    const { items, truncated } = yield* takeParsed(
      streamScript(
        run,
        folder,
        scriptCommand(searchScript, folder, pattern, flags, include ?? "", ...exclude),
        (exitCode, _, stderr) =>
          exitCode === badPattern
            ? new InvalidInput({ subject: "search pattern", issue: stderr.trim().slice(0, 500) })
            : undefined,
      ),
      (piece) => parser.push(piece),
      limit,
    )
    return { matches: items, truncated }
  })

  return {
    list,
    search,
    makeDirectory: Effect.fn("Sandbox.files.makeDirectory")(function* (path: string) {
      const target = yield* at(path)
      yield* runScript(run, target, scriptCommand(makeDirectoryScript, target))
    }),
    move: Effect.fn("Sandbox.files.move")(function* (from: string, to: string) {
      const [source, target] = [bare(yield* at(from)), bare(yield* at(to))]
      yield* refuseRoot(source)
      const inside = new InvalidPath({
        path: target,
        reason: "it is inside of what is to be moved",
      })
      const script = scriptCommand(moveScript, source, target)
      yield* runScript(run, source, script, (exitCode, stdout, stderr) => {
        if (exitCode === exit.exists) return new AlreadyExists({ path: target })
        if (/itself|invalid argument/i.test(stderr)) return inside
        return stdout === "" ? undefined : fileError(target, exitCode, stderr)
      })
    }),
    remove: Effect.fn("Sandbox.files.remove")(function* (
      path: string,
      { recursive = false }: RemoveOptions = {},
    ) {
      const target = bare(yield* at(path))
      yield* refuseRoot(target)
      const script = scriptCommand(removeScript, target, recursive ? "1" : "")
      yield* runScript(run, target, script, (exitCode) =>
        exitCode === exit.notEmpty ? new DirectoryNotEmpty({ path: target }) : undefined,
      )
    }),
  }
}
