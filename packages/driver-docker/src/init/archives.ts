/** Folders as tar archives: the archive is made and read here, the init knows entries only. */
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

// Bulk, over a way that may be long.
const window = 1024 * 1024

// Milliseconds that unpacking has to take back what it began.
const takesBack = 2000

/** The parts of an archive one by one, as they come. */
class Parts {
  readonly #pull: Pull.Pull<ReadonlyArray<Part>, OperationError>
  #parts: ReadonlyArray<Part> = []
  #at = 0

  constructor(pull: Pull.Pull<ReadonlyArray<Part>, OperationError>) {
    this.#pull = pull
  }

  /** Entries, as many at once as are at hand; the content of the last one may still be to come. */
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
      const link = target === "" ? {} : { linkTarget: target }
      if (entry.kind !== "file") {
        found.push({ ...entry, ...link, content: Stream.empty })
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

  /** Waits until there is a part at hand; done after the last one. */
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

  /** All of a file's content where it is at hand. */
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
 * What is in a folder, as a tar archive with paths relative to the folder. The second name of a file
 * comes as a hard link to the first. Fails with `InvalidArchive` where a file becomes shorter
 * meanwhile.
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

/** As the init takes paths: `./a//b/` is `a/b`, and empty for the folder itself. */
const tidy = (path: string) =>
  path
    .split("/")
    .filter((part, n) => part !== "." && (part !== "" || n === 0))
    .join("/")

/** Sends an entry of an archive and all of its content; dated `now` where it has no time. */
const send = (channel: Channel, entry: ArchiveEntry<InvalidArchive>, now: Date) => {
  const { kind, content, linkTarget = "" } = entry
  const path = tidy(entry.path)
  if (kind === "other" || path === "") return Effect.void
  const target = kind === "hardlink" ? tidy(linkTarget) : linkTarget
  const header = channel.write(encodeEntry({ modifiedAt: now, ...entry, path, target }))
  if (kind !== "file") return header
  const pieces = Stream.runForEach(content, (piece) =>
    Effect.forEach(chunk(piece), (part) => channel.write(part), { discard: true }),
  )
  return header.pipe(Effect.andThen(pieces), Effect.andThen(channel.write(lastChunk())))
}

/**
 * Unpacks a tar archive into a folder, which is made where it is missing; links in it are not
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
