import { Duration, Effect, Schedule, Schema, Stream } from "effect"
import {
  type HostError,
  InvalidInput,
  invalidInput,
  StorageFailed,
  TooManyFiles,
} from "../errors.ts"
import { type FileEntry, FileEvent } from "../values/Files.ts"
import { fileExit } from "./fileScripts.ts"
import { defaultExclude, Line, tidy } from "./folders.ts"
import type { ResolvePath } from "./home.ts"
import { enterFolder, ListingParser, leaveOut, printEntries } from "./listing.ts"
import { type RunCommand, type ScriptError, scriptCommand, streamScript } from "./shell.ts"

/** What is watched, and how often it is looked at. */
export interface WatchOptions {
  /** Whether all folders below are watched too: false by default. */
  readonly recursive?: boolean
  /** How often it looks: each second by default, from 100 milliseconds to an hour. */
  readonly interval?: Duration.Input
  /** Names of files and folders that are passed over: `.git` and `node_modules` by default. */
  readonly exclude?: ReadonlyArray<string>
  /** More entries than this are `TooManyFiles`: 10,000 by default. */
  readonly limit?: number
}

/** What watching a folder may fail with. */
export type WatchError = ScriptError | TooManyFiles | InvalidInput

/**
 * $1: folder, $2: depth, $3: seconds between two looks, or nothing for a single look, $4: bytes of
 * a look at most, then names to leave out. Prints the folder's entries, and NUL, whenever they are
 * not what they were; a folder that is gone has none.
 */
const watchScript = `${enterFolder}
folder=$1 depth=$2 pause=$3 most=$4
shift 4
${leaveOut}
look() {
  (cd "$folder" 2>/dev/null || exit 0
  ${printEntries}) | head -c "$most"
}
last=none
while :; do
  now=$(look "$@")
  if [ "$now" != "$last" ]; then
    last=$now
    [ -z "$now" ] || printf '%s\\n' "$now"
    printf '\\0'
  fi || exit ${fileExit.failed}
  [ -n "$pause" ] || exit 0
  sleep "$pause"
done
`

// The longest path, and what stands beside it.
const longestEntry = 4200

const mostDepth = 100_000

// What Cordon itself writes to and renames: nobody's files.
const temporaries = ".cordon-*"

const Watch = Schema.Struct({
  exclude: Schema.Array(Line),
  limit: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 100_000 }))),
})

const same = (a: FileEntry, b: FileEntry) =>
  a.mode === b.mode &&
  // A folder's size and time tell of its entries, which are told of themselves.
  (a.kind === "directory" ||
    (a.size === b.size && a.modifiedAt.getTime() === b.modifiedAt.getTime()))

const byPath = (a: FileEntry, b: FileEntry) => (a.path < b.path ? -1 : 1)

type Look = ReadonlyMap<string, FileEntry>

/** What makes one look into the next: removals from the leaves on, then the rest from the root on. */
const difference = (before: Look, after: Look): Array<FileEvent> => {
  const stays = (entry: FileEntry) => after.get(entry.path)?.kind === entry.kind
  const removed = [...before.values()].filter((entry) => !stays(entry)).sort(byPath)
  const events: Array<FileEvent> = removed.reverse().map((entry) => FileEvent.Removed({ entry }))
  for (const entry of [...after.values()].sort(byPath)) {
    const known = before.get(entry.path)
    if (known?.kind !== entry.kind) events.push(FileEvent.Created({ entry }))
    else if (!same(known, entry)) events.push(FileEvent.Changed({ entry }))
  }
  return events
}

/** Takes apart what {@link watchScript} prints, and compares each look with the one before. */
export class Watcher {
  readonly #folder: string
  readonly #limit: number
  #known: Look | undefined
  #entries = new Map<string, FileEntry>()
  #listing: ListingParser

  constructor(folder: string, limit: number) {
    this.#folder = folder
    this.#limit = limit
    this.#listing = new ListingParser(folder)
  }

  /** Whether there was a first look. */
  get ready(): boolean {
    return this.#known !== undefined
  }

  /** @returns what the piece tells of; throws `TooManyFiles`, and `StorageFailed` on what is no look */
  push(piece: Uint8Array): Array<FileEvent> {
    const events: Array<FileEvent> = []
    let from = 0
    for (let end = piece.indexOf(0); end !== -1; end = piece.indexOf(0, from)) {
      this.#gather(piece.subarray(from, end))
      events.push(...this.#finish())
      from = end + 1
    }
    this.#gather(piece.subarray(from))
    return events
  }

  #gather(piece: Uint8Array): void {
    for (const entry of this.#listing.push(piece)) this.#entries.set(entry.path, entry)
    if (this.#entries.size > this.#limit) {
      throw new TooManyFiles({ path: this.#folder, limit: this.#limit })
    }
  }

  #finish(): Array<FileEvent> {
    if (!this.#listing.complete) throw this.#listing.malformed()
    const [before, after] = [this.#known, this.#entries]
    this.#known = after
    this.#entries = new Map()
    this.#listing = new ListingParser(this.#folder)
    return before === undefined
      ? [FileEvent.Ready({ entries: [...after.values()].sort(byPath) })]
      : difference(before, after)
  }
}

/** Watches folders through a sandbox's own commands, whatever the driver. */
export const makeWatch = (needs: {
  readonly run: RunCommand
  /** As `run`, without a timeout. */
  readonly runOn: RunCommand
  readonly at: ResolvePath
  /** Whether a command's output comes while it runs. */
  readonly streams: Effect.Effect<boolean, HostError>
  /** Whether the sandbox runs, as far as can be told. */
  readonly running: Effect.Effect<boolean>
}) => {
  const { run, runOn, at, streams, running } = needs

  return (path: string = ".", options: WatchOptions = {}): Stream.Stream<FileEvent, WatchError> =>
    Stream.unwrap(
      Effect.gen(function* () {
        const { exclude, limit } = yield* Schema.decodeUnknownEffect(Watch)({
          exclude: options.exclude ?? defaultExclude,
          limit: options.limit ?? 10_000,
        }).pipe(Effect.mapError(invalidInput("watch options")))
        const interval = Duration.fromInput(options.interval ?? "1 second")
        const pause = interval._tag === "None" ? 0 : Duration.toMillis(interval.value)
        if (pause < 100 || pause > 3_600_000) {
          return yield* new InvalidInput({
            subject: "interval",
            issue: "it must be a duration from 100 milliseconds to an hour",
          })
        }
        const folder = yield* at(path)
        const look = (seconds: string) =>
          scriptCommand(
            watchScript,
            folder,
            String(options.recursive === true ? mostDepth : 1),
            seconds,
            String((limit + 1) * longestEntry),
            ...exclude,
            temporaries,
          )
        const watcher = new Watcher(tidy(folder), limit)
        const gone = (error: ScriptError) =>
          watcher.ready && (error._tag === "FileNotFound" || error._tag === "NotAFile")
        const looks = (yield* streams)
          ? streamScript(runOn, folder, look(String(pause / 1000)))
          : streamScript(run, folder, look("")).pipe(
              Stream.catchIf(gone, () => Stream.succeed(Uint8Array.of(0))),
              Stream.repeat(Schedule.spaced(pause)),
            )
        return looks.pipe(
          Stream.mapEffect((piece) =>
            Effect.try({
              try: () => watcher.push(piece),
              catch: (cause) =>
                cause instanceof StorageFailed || cause instanceof TooManyFiles
                  ? cause
                  : new StorageFailed({ path: folder, reason: String(cause) }),
            }),
          ),
          Stream.flattenIterable,
          // A sandbox that no longer runs is no failure of who watches it.
          Stream.catch((error) =>
            Stream.unwrap(
              Effect.map(watcher.ready ? running : Effect.succeed(true), (runs) =>
                runs ? Stream.fail(error) : Stream.empty,
              ),
            ),
          ),
        )
      }),
    )
}
