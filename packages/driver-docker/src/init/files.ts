/** The file operations of `docs/init-protocol.md`, each done by a process with the user's rights. */
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

// Bytes of input that fit into what may be sent at once, with their length and the last chunk.
const small = 12 * 1024
// Milliseconds that an operation has to take back what it began.
const takesBack = 2000

/**
 * What a path names.
 *
 * @param options `follow`: what a link at its end leads to, rather than the link
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
        : Effect.fail(new StorageFailed({ path, reason: "the sandbox did not say what it is" })),
    ),
  )

/** A part of a file: bytes from `offset` (0 by default), so many of them (all by default). */
export interface Range {
  readonly offset?: number | undefined
  readonly length?: number | undefined
  /** Whether pieces are given back with `giveBack`, for their memory to be used again: no by default. */
  readonly lent?: boolean | undefined
}

/** A regular file: its entry, then its content or a part of it. A link is followed. */
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
      // Over a way that may be long.
      window: 1024 * 1024,
    }).pipe(
      Stream.mapArrayEffect((parts) => {
        for (const part of parts) if ("content" in part) left -= part.content.length
        return left < 0
          ? Effect.fail(new StorageFailed({ path, reason: "the sandbox sent more of it" }))
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

/** Sends a file's content; fails where it does not have the size that was announced. */
const send = Effect.fnUntraced(function* <E>(
  channel: Channel,
  path: string,
  { bytes, size }: FileContent<E>,
) {
  let left = size ?? Number.POSITIVE_INFINITY
  const wrongSize = new StorageFailed({
    path,
    reason: "the content has not the size that was announced",
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

/** Writes a file whole or not at all. Folders above are made, a link is written through. */
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
    // An operation that has ended takes no more; what is small is sent before that can be.
    yield* content.size !== undefined && content.size <= small
      ? sending
      : Effect.raceFirst(sending, channel.ended)
    const next = yield* channel.next
    if (typeof next === "object" && "timedOut" in next) yield* requireDone(path, next)
    if (!isSent) {
      yield* new StorageFailed({ path, reason: "the sandbox did not take all of the content" })
    }
  }).pipe(Effect.scoped)

/** @param options `recursive`: a folder with all that is in it */
export const remove = (
  actor: Actor,
  path: string,
  options: { readonly recursive?: boolean } = {},
): Effect.Effect<void, OperationError> =>
  isNamed(path)
    ? perform(actor, ["remove", path, flag(options.recursive)])
    : Effect.fail(unnamed(path))

/** Whether a path names something in a folder, rather than a folder by where it is. */
const isNamed = (path: string) => !["", ".", ".."].includes(posix.basename(path))
const unnamed = (path: string) => new InvalidPath({ path, reason: "it does not end with a name" })

/** Moves a file or a folder; folders above are made. Nothing is moved onto a folder. */
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
    // It says something once an error can only be with the second path.
    const said = yield* channel.next
    const { ending } = final
    if (Array.isArray(said) && ending?.how === "exited" && ending.value === errno.EINVAL) {
      if (!isNamed(target)) return yield* new AlreadyExists({ path: target })
      const reason = "it is inside of what is to be moved"
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
 * Who a user is; fails with `InvalidInput` where there is no such user.
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

/** The beginnings of files of the kernel's; `*` as a folder's name stands for any number. */
export const gather = (
  actor: Actor,
  paths: readonly [string, ...ReadonlyArray<string>],
): Stream.Stream<Gathered, OperationError> =>
  recordsOf(actor, ["gather", ...paths], gathered, { timeout: patienceOf(actor) })
