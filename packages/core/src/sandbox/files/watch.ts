import { posix } from "node:path"
import { Duration, Effect, Schema, Stream } from "effect"
import {
  type FileError,
  InvalidInput,
  invalidInput,
  type LeaseError,
  TooManyFiles,
} from "../../errors.ts"
import type { FilePath } from "../../values/FilePath.ts"
import { type FileEntry, FileEvent } from "../../values/Files.ts"
import type { FolderChange } from "../../values/Folders.ts"
import type { SandboxContext } from "../context.ts"
import { defaultExclude, Line, pathBelow, tidy } from "./folders.ts"

/** What is watched, and how soon changes are told. */
export interface WatchOptions {
  /** Whether all folders below are watched too: false by default. */
  readonly recursive?: boolean | undefined
  /**
   * How often changes are told, what happens to a file in between as one: each 100 milliseconds by
   * default, and up to an hour.
   */
  readonly interval?: Duration.Input | undefined
  /** Names of files and folders that are passed over: `.git` and `node_modules` by default. */
  readonly exclude?: ReadonlyArray<string> | undefined
  /** More entries than this are `TooManyFiles`: 10,000 by default. */
  readonly limit?: number | undefined
}

/** What watching a folder may fail with. */
export type WatchError = FileError | LeaseError | TooManyFiles | InvalidInput

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

/** Turns what a driver tells of a folder into what has changed each time that it is asked. */
export class Watcher {
  readonly #folder: FilePath
  readonly #limit: number
  /** What was told, undefined before the first look. */
  #known: Map<string, FileEntry> | undefined
  /** What is there, and the paths of what is in each folder. */
  readonly #now = new Map<string, FileEntry>()
  readonly #below = new Map<string, Set<string>>()
  /** Paths of which one of the two may say something else than the other. */
  #differing = new Set<string>()
  #complete = false

  constructor(folder: FilePath, limit: number) {
    this.#folder = folder
    this.#limit = limit
  }

  /** Whether there was a first look. */
  get ready(): boolean {
    return this.#known !== undefined
  }

  /** @returns what is to be told at once; throws `TooManyFiles` */
  take(change: FolderChange): ReadonlyArray<FileEvent> {
    switch (change._tag) {
      case "Found":
        this.#put(change.entry)
        break
      case "Gone":
        this.#drop(pathBelow(this.#folder, change.path))
        break
      case "Anew":
        this.#now.clear()
        this.#below.clear()
        this.#differing = new Set(this.#known?.keys())
        this.#complete = false
        break
      case "Complete":
        this.#complete = true
        if (this.#known === undefined) {
          this.#known = new Map(this.#now)
          this.#differing.clear()
          return [FileEvent.Ready({ entries: [...this.#now.values()].sort(byPath) })]
        }
    }
    return []
  }

  /** @returns what has changed since the last time; nothing in the middle of a look */
  tell(): ReadonlyArray<FileEvent> {
    const known = this.#known
    if (known === undefined || !this.#complete || this.#differing.size === 0) return []
    const of = (look: Look): Look =>
      new Map(
        [...this.#differing].flatMap((path) => {
          const entry = look.get(path)
          return entry === undefined ? [] : [[path, entry] as const]
        }),
      )
    const events = difference(of(known), of(this.#now))
    for (const path of this.#differing) {
      const entry = this.#now.get(path)
      if (entry === undefined) known.delete(path)
      else known.set(path, entry)
    }
    this.#differing.clear()
    return events
  }

  #put(found: FileEntry): void {
    const path = pathBelow(this.#folder, found.path)
    // What is no folder any more has nothing in it.
    if (found.kind !== "directory") this.#drop(path)
    this.#now.set(path, { ...found, path })
    this.#differing.add(path)
    const folder = posix.dirname(path)
    const siblings = this.#below.get(folder) ?? new Set()
    this.#below.set(folder, siblings.add(path))
    if (this.#now.size > this.#limit) {
      throw new TooManyFiles({ path: this.#folder, limit: this.#limit })
    }
  }

  #drop(path: string): void {
    const folder = posix.dirname(path)
    const siblings = this.#below.get(folder)
    siblings?.delete(path)
    if (siblings?.size === 0) this.#below.delete(folder)
    const dropped = [path]
    for (let at = dropped.pop(); at !== undefined; at = dropped.pop()) {
      this.#now.delete(at)
      // What was never told of is no difference.
      if (this.#known?.has(at)) this.#differing.add(at)
      else this.#differing.delete(at)
      dropped.push(...(this.#below.get(at) ?? []))
      this.#below.delete(at)
    }
  }
}

/** Watches the folders of one sandbox. */
export const makeWatch = ({ driver, id, info, at, useStream }: SandboxContext) => {
  /** Whether the sandbox runs, as far as its host tells. */
  const running = driver.inspect(id).pipe(
    Effect.map(({ instanceId, status }) => instanceId === info.instanceId && status === "running"),
    Effect.catch(({ _tag }) => Effect.succeed(_tag !== "SandboxNotFound")),
  )

  return (path: string = ".", options: WatchOptions = {}): Stream.Stream<FileEvent, WatchError> =>
    Stream.unwrap(
      Effect.gen(function* () {
        const { exclude, limit } = yield* Schema.decodeUnknownEffect(Watch)({
          exclude: options.exclude ?? defaultExclude,
          limit: options.limit ?? 10_000,
        }).pipe(Effect.mapError(invalidInput("watch options")))
        const interval = Duration.fromInput(options.interval ?? "100 millis")
        const pause = interval._tag === "None" ? 0 : Duration.toMillis(interval.value)
        if (pause < 100 || pause > 3_600_000) {
          return yield* new InvalidInput({
            subject: "interval",
            issue: "it must be a duration from 100 milliseconds to an hour",
          })
        }
        const folder = tidy(yield* at(path))
        const watcher = new Watcher(folder, limit)
        const rest = Stream.suspend(() => Stream.fromIterable(watcher.tell()))
        const recursive = options.recursive === true
        const changes = useStream(driver.watchFolder(id, folder, { recursive, exclude })).pipe(
          Stream.mapEffect((change) =>
            Effect.try({
              try: () => watcher.take(change),
              catch: (cause) => {
                if (cause instanceof TooManyFiles) return cause
                throw cause
              },
            }),
          ),
          Stream.flattenIterable,
        )
        const told = Stream.flatMap(Stream.tick(pause), () => rest)
        return Stream.merge(changes, told, { haltStrategy: "left" }).pipe(
          // A sandbox that no longer runs is no failure of who watches it.
          Stream.catch((error) =>
            Stream.unwrap(
              Effect.map(watcher.ready ? running : Effect.succeed(true), (runs) =>
                runs ? Stream.fail(error) : rest,
              ),
            ),
          ),
        )
      }),
    )
}
