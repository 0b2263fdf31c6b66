import type { FileStat, ReadOptions, Sandbox } from "@cordon/core"
import { Effect, type FileSystem, type PlatformError, Stream } from "effect"
import { badArgument, type Place, platformError, systemError } from "./failure.ts"
import { runScript, scripts } from "./script.ts"

type Failure = PlatformError.PlatformError
type Done = Effect.Effect<void, Failure>

/** A file of a sandbox, by its absolute path. */
export interface Target {
  readonly sandbox: Sandbox
  readonly place: Place
  readonly path: string
}

/** Flags apart from each other. */
export const flagsOf = (flag: FileSystem.OpenFlag) => ({
  reads: flag.startsWith("r") || flag.endsWith("+"),
  writes: flag !== "r",
  appends: flag.startsWith("a"),
  empties: flag.startsWith("w"),
  /** Whether the file must not exist. */
  isNew: flag.includes("x"),
  /** Whether the file must exist. */
  isThere: flag.startsWith("r"),
})

export const statOf = ({ sandbox, place, path }: Target): Effect.Effect<FileStat, Failure> =>
  Effect.mapError(sandbox.files.stat(path), platformError(place))

export const exists = ({ sandbox, place, path }: Target): Effect.Effect<boolean, Failure> =>
  Effect.mapError(sandbox.files.exists(path), platformError(place))

/** A part of a file. */
export const part = (
  { sandbox, place, path }: Target,
  range: ReadOptions,
): Stream.Stream<Uint8Array, Failure> =>
  Stream.mapError(sandbox.files.stream(path, range), platformError(place))

/** Writes a file whole or not at all. */
export const replace = (
  { sandbox, place, path }: Target,
  content: Uint8Array | Stream.Stream<Uint8Array, Failure>,
  mode?: number,
): Done =>
  sandbox.files
    .write<Failure>(path, content, { mode })
    .pipe(
      Effect.mapError((error) =>
        error._tag === "PlatformError" ? error : platformError(place)(error),
      ),
    )

/** Makes an empty file where nothing is; of two that do so at the same time, one fails. */
const create = (target: Target, mode: number | undefined): Done =>
  Effect.andThen(
    runScript(target.sandbox, target.place, scripts.create, [target.path]),
    mode === undefined ? Effect.void : changeMode(target, mode),
  )

export const changeMode = ({ sandbox, place, path }: Target, mode: number): Done =>
  Effect.asVoid(
    runScript(sandbox, place, scripts.chmod, [path], { args: [(mode & 0o7777).toString(8)] }),
  )

/** Writes to the end of a file, as it comes. */
export const append = (
  { sandbox, place, path }: Target,
  content: Stream.Stream<Uint8Array>,
): Done => Effect.asVoid(runScript(sandbox, place, scripts.append, [path], { stdin: content }))

/** Does what opening a file by these flags does. */
export const prepare = (
  target: Target,
  flag: FileSystem.OpenFlag,
  mode: number | undefined,
): Done =>
  Effect.gen(function* () {
    const { isNew, isThere, empties, writes } = flagsOf(flag)
    if (isNew) return yield* create(target, mode)
    if (isThere || (yield* exists(target))) {
      const { kind } = yield* statOf(target)
      if (kind === "directory" && writes) {
        return yield* Effect.fail(systemError(target.place, "BadResource", "it is a directory"))
      }
      if (empties) yield* runScript(target.sandbox, target.place, scripts.empty, [target.path])
      return
    }
    yield* replace(target, new Uint8Array(), mode)
  })

const zeros = (size: number): Stream.Stream<Uint8Array> =>
  Stream.unfold(size, (left) => {
    const length = Math.min(left, 64 * 1024)
    return Effect.succeed(
      length === 0 ? undefined : ([new Uint8Array(length), left - length] as const),
    )
  })

/** Writes at a place in a file: at its end as it comes, else the whole file with it. */
export const writeAt = (target: Target, position: number, bytes: Uint8Array): Done =>
  Effect.gen(function* () {
    const { size } = yield* statOf(target)
    const piece = Stream.succeed(bytes)
    if (position >= size) {
      return yield* append(target, Stream.concat(zeros(position - size), piece))
    }
    const before = position === 0 ? Stream.empty : part(target, { length: position })
    const after = position + bytes.length
    yield* replace(
      target,
      Stream.concat(
        Stream.concat(before, piece),
        after < size ? part(target, { offset: after }) : Stream.empty,
      ),
    )
  })

/** Cuts a file, or fills it up with zeros. */
export const cut = (target: Target, length: number): Done =>
  Effect.gen(function* () {
    if (!Number.isSafeInteger(length) || length < 0) {
      return yield* Effect.fail(badArgument(target.place, "The length is no size of a file"))
    }
    if (length === 0) {
      return yield* Effect.asVoid(
        runScript(target.sandbox, target.place, scripts.empty, [target.path]),
      )
    }
    const { size } = yield* statOf(target)
    if (length > size) return yield* append(target, zeros(length - size))
    if (length < size) yield* replace(target, part(target, { length }))
  })

/** Writes a whole content by these flags. */
export const writeBy = (
  target: Target,
  flag: FileSystem.OpenFlag,
  content: Uint8Array,
  mode: number | undefined,
): Done =>
  Effect.gen(function* () {
    const { appends, isNew, isThere, writes } = flagsOf(flag)
    if (!writes) {
      return yield* Effect.fail(badArgument(target.place, "The flag opens it to be read only"))
    }
    if (isNew || appends || isThere) yield* prepare(target, flag, mode)
    if (appends) return yield* append(target, Stream.succeed(content))
    if (isThere) return yield* writeAt(target, 0, content)
    yield* replace(target, content, isNew ? undefined : mode)
  })
