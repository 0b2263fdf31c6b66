/** The file operations of `docs/init-protocol.md`. Each runs in a process with the user's rights. */
import { posix } from "node:path"
import {
  AlreadyExists,
  type FileContent,
  giveBack,
  InvalidInput,
  InvalidPath,
  type SandboxUser,
  StorageFailed,
} from "@cordon/core"
import { Effect, Option, Stream } from "effect"
import type { Channel } from "./Channel.ts"
import {
  type Content,
  chunk,
  type Entry,
  entries,
  entryAndBytes,
  type Gathered,
  gathered,
  lastChunk,
  longestEntry,
  longestUser,
  users,
} from "./entries.ts"
import { errno } from "./errno.ts"
import {
  type Actor,
  flag,
  type OperationError,
  openOperation,
  patienceOf,
  perform,
  recordsOf,
  requireDone,
} from "./operation.ts"

const octal = (mode: number | undefined) => (mode === undefined ? "" : mode.toString(8))

// The most bytes of input that, with their length and the last chunk, fit into the early input.
const small = 12 * 1024
// Milliseconds that an operation has to undo its work.
const takesBack = 2000

/**
 * The entry at a path.
 *
 * @param options `follow`: follows a link at the end of the path. Default: returns the link itself
 */
export const stat = (
  actor: Actor,
  path: string,
  options: { readonly follow?: boolean } = {},
): Effect.Effect<Entry, OperationError> =>
  recordsOf(actor, ["stat", path, flag(options.follow)], entries, {
    timeout: patienceOf(actor),
    limit: longestEntry + 4,
  }).pipe(
    Stream.runCollect,
    Effect.flatMap(([found, ...others]) =>
      found !== undefined && others.length === 0
        ? Effect.succeed(found)
        : Effect.fail(
            new StorageFailed({
              path,
              reason: "the sandbox's answer does not say what kind of file it is",
            }),
          ),
    ),
  )

/** A part of a file: from byte `offset` (default: 0), `length` bytes (default: all). */
export interface Range {
  readonly offset?: number | undefined
  readonly length?: number | undefined
  /** Whether the consumer gives pieces back with `giveBack`, so that their memory is reused. Default: false. */
  readonly lent?: boolean | undefined
}

/** Reads a regular file: its entry, then its content or a part of it. A link is followed. */
export const readWithEntry = (
  actor: Actor,
  path: string,
  { offset = 0, length, lent = false }: Range = {},
): Stream.Stream<Entry | Content, OperationError> =>
  Stream.suspend(() => {
    let left = length ?? Number.POSITIVE_INFINITY
    const operation = ["read", path, String(offset), String(length ?? -1)] as const
    return recordsOf(actor, operation, entryAndBytes, {
      patience: patienceOf(actor),
      kind: lent ? "lent" : "bulk",
      // A large window, since the connection may have a high latency.
      window: 1024 * 1024,
    }).pipe(
      Stream.mapArrayEffect((parts) => {
        for (const part of parts) if ("content" in part) left -= part.content.length
        return left < 0
          ? Effect.fail(
              new StorageFailed({ path, reason: "the sandbox sent more bytes than the file has" }),
            )
          : Effect.succeed(parts)
      }),
    )
  })

/** The content of a regular file, or a part of it. A link is followed. */
export const read = (
  actor: Actor,
  path: string,
  range: Range = {},
): Stream.Stream<Uint8Array, OperationError> =>
  readWithEntry(actor, path, range).pipe(
    Stream.filter((part): part is Content => "content" in part),
    Stream.map(({ content }) => content),
  )

/** Sends a file's content. Fails if its size differs from the announced size. */
const send = Effect.fnUntraced(function* <E>(
  channel: Channel,
  path: string,
  { bytes, size }: FileContent<E>,
) {
  let left = size ?? Number.POSITIVE_INFINITY
  const wrongSize = new StorageFailed({
    path,
    reason: "the content does not have the announced size",
  })
  yield* Stream.runForEach(bytes, (piece) => {
    left -= piece.length
    return left < 0
      ? Effect.fail(wrongSize)
      : Effect.forEach(chunk(piece), (part) => channel.write(part), { discard: true }).pipe(
          Effect.andThen(Effect.sync(() => giveBack(piece))),
        )
  })
  if (size !== undefined && left > 0) return yield* Effect.fail(wrongSize)
  yield* channel.write(lastChunk())
  channel.end()
})

/** Writes a file completely or not at all. Makes missing parent folders, and follows a link. */
export const write = <E>(
  actor: Actor,
  path: string,
  content: FileContent<E>,
): Effect.Effect<void, OperationError | E> =>
  Effect.gen(function* () {
    const time = content.modifiedAt?.getTime()
    const seconds = Math.floor((time ?? 0) / 1000)
    const operation = [
      "write",
      path,
      octal(content.mode),
      ...(time === undefined ? [] : [`${seconds}`, `${(time - seconds * 1000) * 1_000_000}`]),
    ]
    const channel = yield* openOperation(actor, operation, {
      patience: patienceOf(actor),
      limit: 0,
      takesBack,
    })
    let isSent = false
    const sending = Effect.tap(send(channel, path, content), () =>
      Effect.sync(() => {
        isSent = true
      }),
    )
    // An operation that has ended accepts no more input. Small content is sent before that can
    // happen.
    yield* content.size !== undefined && content.size <= small
      ? sending
      : Effect.raceFirst(sending, channel.ended)
    const next = yield* channel.next
    if (typeof next === "object" && "timedOut" in next) yield* requireDone(path, next)
    if (!isSent) {
      yield* new StorageFailed({ path, reason: "the sandbox did not take all of the content" })
    }
  }).pipe(Effect.scoped)

/** @param options `recursive`: removes a folder with all its content */
export const remove = (
  actor: Actor,
  path: string,
  options: { readonly recursive?: boolean } = {},
): Effect.Effect<void, OperationError> =>
  isNamed(path)
    ? perform(actor, ["remove", path, flag(options.recursive)])
    : Effect.fail(unnamed(path))

/** Whether the last part of a path is a name, and not `.`, `..` or empty. */
const isNamed = (path: string) => !["", ".", ".."].includes(posix.basename(path))
const unnamed = (path: string) => new InvalidPath({ path, reason: "it does not end with a name" })

/** Moves a file or a folder, and makes missing parent folders. Never replaces a folder. */
export const move = (
  actor: Actor,
  source: string,
  target: string,
): Effect.Effect<void, OperationError> =>
  Effect.gen(function* () {
    if (!isNamed(source)) return yield* unnamed(source)
    const timeout = patienceOf(actor)
    const channel = yield* openOperation(actor, ["move", source, target], { timeout, limit: 1 })
    const final = yield* channel.ended
    // The first output means that a later error concerns the second path.
    const said = yield* channel.next
    const { ending } = final
    if (Array.isArray(said) && ending?.how === "exited" && ending.value === errno.EINVAL) {
      if (!isNamed(target)) return yield* new AlreadyExists({ path: target })
      const reason = "it is inside the folder that is to be moved"
      return yield* new InvalidPath({ path: target, reason })
    }
    yield* requireDone(Array.isArray(said) ? target : source, final)
  }).pipe(Effect.scoped)

/** @param mode permission bits */
export const changeMode = (
  actor: Actor,
  path: string,
  mode: number,
): Effect.Effect<void, OperationError> => perform(actor, ["chmod", path, octal(mode)])

/**
 * Gives an empty folder to a user and the user's group. The actor must be root. A link at the end of
 * the path is not followed.
 *
 * @param user a name, a number, or either with `:group`
 */
export const own = (
  actor: Actor,
  path: string,
  user: string,
): Effect.Effect<void, OperationError> =>
  Effect.gen(function* () {
    const timeout = patienceOf(actor)
    const channel = yield* openOperation(actor, ["own", path, user], { timeout, limit: 0 })
    const final = yield* channel.ended
    if (final.ending?.how === "exited" && final.ending.value === errno.EINVAL) {
      yield* new StorageFailed({ path, reason: "the sandbox has no such user" })
    }
    yield* requireDone(path, final)
  }).pipe(Effect.scoped)

/**
 * Looks up a user. Fails with `InvalidInput` if there is no such user.
 *
 * @param user a name, a number, or either with `:group`; root where empty
 */
export const identify = (
  connection: Actor["connection"],
  user: string,
): Effect.Effect<SandboxUser, OperationError> =>
  recordsOf({ connection }, ["identify", user], users, {
    timeout: patienceOf({ connection }),
    limit: longestUser,
    explained: (number) =>
      number === errno.EINVAL
        ? new InvalidInput({ subject: "user", issue: "the sandbox has no such user" })
        : undefined,
  }).pipe(
    Stream.runHead,
    Effect.flatMap(
      Option.match({
        onNone: () =>
          Effect.fail(
            new StorageFailed({ path: "/etc/passwd", reason: "the sandbox named no user" }),
          ),
        onSome: Effect.succeed,
      }),
    ),
  )

/** The first bytes of kernel files; `*` as a folder's name stands for any number. */
export const gather = (
  actor: Actor,
  paths: readonly [string, ...ReadonlyArray<string>],
): Stream.Stream<Gathered, OperationError> =>
  recordsOf(actor, ["gather", ...paths], gathered, { timeout: patienceOf(actor) })
