import { posix } from "node:path"
import type { Sandbox } from "@cordon/core"
import {
  ByteSize,
  type Cause,
  Effect,
  Fiber,
  type FileSystem,
  type PlatformError,
  Queue,
  Sink,
  Stream,
} from "effect"
import { append, exists, part, prepare, replace, statOf, type Target } from "./content.ts"
import { badArgument, platformError, systemError } from "./failure.ts"

type Failure = PlatformError.PlatformError
type Streams = FileSystem.FileSystem["stream"]

/** Reads a file as it comes, in pieces of the size that is asked for and less. */
export const streamOf = (target: Target, options: Parameters<Streams>[1] = {}) =>
  Stream.suspend((): Stream.Stream<Uint8Array, Failure> => {
    const { chunkSize = 64 * 1024, bytesToRead, offset } = options
    const wrong = (why: string) => Stream.fail(badArgument(target.place, why))
    if (!Number.isInteger(chunkSize) || chunkSize < 1) {
      return wrong("The chunk size must be a positive integer")
    }
    const size = (input: ByteSize.Input) => Number(ByteSize.fromInputUnsafe(input))
    const length = bytesToRead === undefined ? undefined : size(bytesToRead)
    if (length === 0) return Stream.empty
    return part(target, {
      offset: offset === undefined ? undefined : size(offset),
      length,
    }).pipe(
      Stream.map((bytes) =>
        Array.from({ length: Math.ceil(bytes.length / chunkSize) }, (_, at) =>
          bytes.subarray(at * chunkSize, (at + 1) * chunkSize),
        ),
      ),
      Stream.flattenIterable,
    )
  })

/** Hands all that comes to one writer, which sees its end. */
const sinkInto = (
  write: (content: Stream.Stream<Uint8Array>) => Effect.Effect<void, Failure>,
): Sink.Sink<void, Uint8Array, never, Failure> =>
  Sink.unwrap(
    Effect.gen(function* () {
      const queue = yield* Queue.bounded<Uint8Array, Cause.Done>(1)
      const writer = yield* Effect.forkScoped(write(Stream.fromQueue(queue)))
      // A writer that has failed takes no more.
      const give = (bytes: Uint8Array) =>
        Effect.raceFirst(Effect.asVoid(Queue.offer(queue, bytes)), Fiber.join(writer))
      return Sink.forEach(give).pipe(
        Sink.mapEffect(() => Effect.andThen(Queue.end(queue), Fiber.join(writer))),
      )
    }),
  )

/** Writes a file with one call: whole or not at all, or to its end as it comes. */
export const sinkOf = (
  target: Target,
  flag: "w" | "wx" | "a" | "ax",
  mode: number | undefined,
): Sink.Sink<void, Uint8Array, never, Failure> => {
  if (flag === "w") return sinkInto((content) => replace(target, content, mode))
  return Sink.unwrap(
    Effect.map(prepare(target, flag, mode), () =>
      sinkInto((content) => (flag === "wx" ? replace(target, content) : append(target, content))),
    ),
  )
}

const watched = { Created: "Create", Changed: "Update", Removed: "Remove" } as const

/** Tells what changes, by names that start at the folder. */
export const watchOf = (
  sandbox: Sandbox,
  target: Target,
  { recursive = false, onReady }: FileSystem.WatchOptions = {},
): Stream.Stream<FileSystem.WatchEvent, Failure> =>
  Stream.unwrap(
    Effect.map(statOf(target), ({ kind }) => {
      const isFolder = kind === "directory"
      const file = target.path.replace(/\/+$/, "")
      const folder = isFolder ? target.path : posix.dirname(file)
      return sandbox.files
        .watch(folder, { recursive: isFolder && recursive, exclude: [], limit: 100_000 })
        .pipe(
          Stream.mapError(platformError(target.place)),
          Stream.map((event): ReadonlyArray<FileSystem.WatchEvent> => {
            if (event._tag === "Ready") {
              onReady?.()
              return []
            }
            const { path } = event.entry
            const name = posix.relative(folder, path)
            return isFolder || name === posix.basename(file)
              ? [{ _tag: watched[event._tag], path: name }]
              : []
          }),
          Stream.flattenIterable,
        )
    }),
  )

/** The entries of a folder, at most 100,000. */
export const entriesOf = ({ sandbox, place, path }: Target, recursive: boolean) =>
  sandbox.files
    .list(path, { limit: 100_000, depth: recursive ? Number.MAX_SAFE_INTEGER : undefined })
    .pipe(Effect.mapError(platformError(place)))

/** Fails where nothing is. */
export const need = (target: Target): Effect.Effect<void, Failure> =>
  Effect.flatMap(exists(target), (found) =>
    found
      ? Effect.void
      : Effect.fail(systemError(target.place, "NotFound", "there is no such file")),
  )
