/** Folders as tar archives. The archive format is handled here; the init only knows entries. */
import {
  type ArchiveEntry,
  InvalidArchive,
  packArchive,
  StorageFailed,
  unpackArchive,
} from "@cordon/core"
import { type Array as Arr, Cause, DateTime, Effect, type Pull, Stream } from "effect"
import type { Channel } from "./Channel.ts"
import { archive, type Content, chunk, type Entry, encodeEntry, lastChunk } from "./entries.ts"
import { errno } from "./errno.ts"
import {
  type Actor,
  type OperationError,
  openOperation,
  patienceOf,
  recordsOf,
  requireDone,
} from "./operation.ts"

type Part = Entry | Content | "end"
type Packed = ArchiveEntry<OperationError>

// A large window, since the connection may have a high latency.
const window = 1024 * 1024

// Milliseconds that unpacking has to undo its work.
const takesBack = 2000

/** The parts of an archive, one by one as they arrive. */
class Parts {
  readonly #pull: Pull.Pull<ReadonlyArray<Part>, OperationError>
  #parts: ReadonlyArray<Part> = []
  #at = 0

  constructor(pull: Pull.Pull<ReadonlyArray<Part>, OperationError>) {
    this.#pull = pull
  }

  /** All entries that have arrived. The content of the last one may not be complete yet. */
  get entries(): Pull.Pull<Arr.NonEmptyReadonlyArray<Packed>, OperationError> {
    return Effect.flatMap(this.#more, () => {
      const [first, ...others] = this.#entriesAtHand()
      return first === undefined ? this.entries : Effect.succeed([first, ...others])
    })
  }

  #entriesAtHand(): Array<Packed> {
    const found: Array<Packed> = []
    for (let part = this.#take(); part !== undefined; part = this.#take()) {
      if (part === "end" || "content" in part) continue
      const { target, ...entry } = part
      if (entry.kind !== "file") {
        found.push({ ...entry, linkTarget: target || undefined, content: Stream.empty })
        continue
      }
      const whole = this.#whole()
      if (whole === undefined) {
        found.push({ ...entry, content: this.#content })
        break
      }
      found.push({ ...entry, content: Stream.empty, whole })
    }
    return found
  }

  #take(): Part | undefined {
    return this.#at < this.#parts.length ? this.#parts[this.#at++] : undefined
  }

  /** Waits until a part has arrived; done after the last one. */
  get #more(): Pull.Pull<void, OperationError> {
    return Effect.suspend(() =>
      this.#at < this.#parts.length
        ? Effect.void
        : Effect.map(this.#pull, (parts) => {
            this.#parts = parts
            this.#at = 0
          }),
    )
  }

  /** The whole content of a file, if it has arrived. */
  #whole(): Uint8Array | undefined {
    const start = this.#at
    const pieces: Array<Uint8Array> = []
    for (let part = this.#take(); part !== "end"; part = this.#take()) {
      if (part === undefined || !("content" in part)) {
        this.#at = start
        return undefined
      }
      pieces.push(part.content)
    }
    return Buffer.concat(pieces)
  }

  /** A file's content up to its end, for one consumer. */
  get #content(): Stream.Stream<Uint8Array, OperationError> {
    const pull: Pull.Pull<readonly [Uint8Array], OperationError> = Effect.flatMap(
      this.#more,
      () => {
        const part = this.#take()
        return typeof part === "object" && "content" in part
          ? Effect.succeed([part.content])
          : Cause.done()
      },
    )
    return Stream.fromPull(Effect.succeed(pull))
  }
}

/**
 * The content of a folder as a tar archive with paths relative to the folder. A second name of a
 * file becomes a hard link to the first. Fails with `InvalidArchive` if a file shrinks meanwhile.
 */
export const pack = (
  actor: Actor,
  path: string,
): Stream.Stream<Uint8Array, OperationError | InvalidArchive> => {
  const parts = recordsOf(actor, ["pack", path], archive, { patience: patienceOf(actor), window })
  const entries = Effect.map(Stream.toPull(parts), (pull) =>
    Stream.fromPull(Effect.succeed(new Parts(pull).entries)),
  )
  return packArchive(Stream.unwrap(entries))
}

/** Normalises a path for the init: `./a//b/` becomes `a/b`; the folder itself is empty. */
const tidy = (path: string) =>
  path
    .split("/")
    .filter((part, n) => part !== "." && (part !== "" || n === 0))
    .join("/")

/** Sends an entry of an archive with its content. An entry without a time gets `now`. */
const send = (channel: Channel, entry: ArchiveEntry<InvalidArchive>, now: Date) => {
  const { kind, content, linkTarget = "" } = entry
  const path = tidy(entry.path)
  if (kind === "other" || path === "") return Effect.void
  const target = kind === "hardlink" ? tidy(linkTarget) : linkTarget
  const header = channel.write(
    encodeEntry({ ...entry, modifiedAt: entry.modifiedAt ?? now, path, target }),
  )
  if (kind !== "file") return header
  const pieces = Stream.runForEach(content, (piece) =>
    Effect.forEach(chunk(piece), (part) => channel.write(part), { discard: true }),
  )
  return header.pipe(Effect.andThen(pieces), Effect.andThen(channel.write(lastChunk())))
}

/**
 * Unpacks a tar archive into a folder, which is made if it is missing. Links in the folder are not
 * followed. Fails with `InvalidArchive` on entries that would leave the folder.
 */
export const unpack = <E>(
  actor: Actor,
  path: string,
  source: Stream.Stream<Uint8Array, E>,
): Effect.Effect<void, OperationError | InvalidArchive | E> =>
  Effect.gen(function* () {
    const channel = yield* openOperation(actor, ["unpack", path], {
      patience: patienceOf(actor),
      limit: 0,
      takesBack,
    })
    const now = yield* DateTime.nowAsDate
    let isSent = false
    const sending = unpackArchive(source, (entry) => send(channel, entry, now)).pipe(
      Effect.andThen(
        Effect.sync(() => {
          isSent = true
          channel.end()
        }),
      ),
    )
    yield* Effect.raceFirst(sending, channel.ended)
    const next = yield* channel.next
    if (typeof next === "object" && "timedOut" in next) {
      if (next.ending?.how === "exited" && next.ending.value === errno.EBADMSG) {
        const reason = "it holds what must not be unpacked"
        return yield* new InvalidArchive({ reason })
      }
      yield* requireDone(path, next)
    }
    if (!isSent) {
      yield* new StorageFailed({ path, reason: "the sandbox did not take all of the archive" })
    }
  }).pipe(Effect.scoped)
