import { DateTime, Effect, Predicate, Stream } from "effect"
import tar from "tar-stream"
import { InvalidArchive } from "../errors.ts"
import { archiveEnd, padding, tarHeader } from "./tarHeader.ts"

/** An entry of a tar archive. Its path and link target are as the archive says: not to be trusted. */
export interface ArchiveEntry<E = never> {
  /** Relative and `/`-separated in archives of ours; anything at all in archives of others. */
  readonly path: string
  /** What it is; `other` stands for devices, FIFOs and what this version does not know. */
  readonly kind: "file" | "directory" | "symlink" | "hardlink" | "other"
  /** Bytes; 0 unless a file. */
  readonly size: number
  /** Permission bits. */
  readonly mode: number
  /** Of a symlink or a hard link. */
  readonly linkTarget?: string | undefined
  /** When its content was last changed; an entry without it is dated when it is unpacked. */
  readonly modifiedAt?: Date | undefined
  /** Of a file; that of others is not asked. */
  readonly content: Stream.Stream<Uint8Array, E>
  /** All of a file's content where it is at hand; `content` is not asked then. */
  readonly whole?: Uint8Array | undefined
}

const kinds: Readonly<Record<string, ArchiveEntry["kind"]>> = {
  file: "file",
  "contiguous-file": "file",
  directory: "directory",
  symlink: "symlink",
  link: "hardlink",
}

// The last moment of a year with four digits; what is later is made up.
const latest = Date.UTC(9999, 11, 31)

/** When a file was changed, as an archive says in its header or, to parts of a second, in a pax one. */
const timeOf = ({ mtime, pax }: tar.Header): Date | undefined => {
  const precise = Predicate.hasProperty(pax, "mtime") ? Number(pax.mtime) * 1000 : Number.NaN
  const time = Number.isFinite(precise) ? precise : mtime.getTime()
  return time >= 0 && time <= latest ? new Date(Math.round(time)) : undefined
}

const toInvalidArchive = (cause: unknown) =>
  new InvalidArchive({ reason: cause instanceof Error ? cause.message : String(cause) })

const bytesOf = (source: AsyncIterable<unknown>): Stream.Stream<Uint8Array, InvalidArchive> =>
  Stream.fromAsyncIterable(source, toInvalidArchive).pipe(Stream.filter(Predicate.isUint8Array))

interface Writable {
  write(chunk: Uint8Array): boolean
  once(event: "drain" | "close", listener: () => void): unknown
  off(event: "close", listener: () => void): unknown
  readonly destroyed: boolean
}

/** Writes one chunk and waits until the sink wants more; returns at once on a sink that is gone. */
const write = (sink: Writable, chunk: Uint8Array): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (sink.destroyed || sink.write(chunk)) return resume(Effect.void)
    const ready = () => {
      // Many that wait for the end would make Node warn of a leak.
      sink.off("close", ready)
      resume(Effect.void)
    }
    sink.once("drain", ready)
    sink.once("close", ready)
  })

const changed = (entry: { readonly path: string; readonly size: number }, found: number) =>
  new InvalidArchive({
    reason: `${JSON.stringify(entry.path)} changed while it was read: it was ${entry.size} bytes, and is now ${found} or more`,
  })

/** A file's content, which has to be as long as it was said to be. */
const exactly = <E>(entry: ArchiveEntry<E>): Stream.Stream<Uint8Array, E | InvalidArchive> =>
  Stream.suspend(() => {
    let found = 0
    return entry.content.pipe(
      Stream.tap(({ length }) => {
        found += length
        return found > entry.size ? Effect.fail(changed(entry, found)) : Effect.void
      }),
      Stream.concat(
        Stream.fromEffectDrain(
          Effect.suspend(() =>
            found === entry.size ? Effect.void : Effect.fail(changed(entry, found)),
          ),
        ),
      ),
    )
  })

/** The bytes of entries in a row, as few pieces as may be: what is at hand goes with its headers. */
const packed = <E>(
  entries: ReadonlyArray<ArchiveEntry<E>>,
  now: Date,
): Stream.Stream<Uint8Array, E | InvalidArchive> => {
  const streams: Array<Stream.Stream<Uint8Array, E | InvalidArchive>> = []
  let pieces: Array<Uint8Array> = []
  const flush = () => {
    if (pieces.length > 0) streams.push(Stream.succeed(Buffer.concat(pieces)))
    pieces = []
  }
  for (const entry of entries) {
    const { kind, whole } = entry
    if (kind === "other") continue
    const size = kind === "file" ? entry.size : 0
    if (whole !== undefined && whole.length !== size) {
      return Stream.fail(changed(entry, whole.length))
    }
    pieces.push(tarHeader({ ...entry, modifiedAt: entry.modifiedAt ?? now, kind, size }))
    if (kind === "file" && whole === undefined) {
      flush()
      streams.push(exactly(entry))
    } else if (whole !== undefined) pieces.push(whole)
    pieces.push(padding(size))
  }
  flush()
  return Stream.flatten(Stream.fromIterable(streams))
}

/**
 * Streams a tar archive (POSIX pax where ustar does not suffice) of the entries, in their order.
 * Entries of kind `other` are left out; those without a time are dated now. Fails where a file's
 * content does not have its stated size.
 */
export const packArchive = <E, E2>(
  entries: Stream.Stream<ArchiveEntry<E>, E2>,
): Stream.Stream<Uint8Array, E | E2 | InvalidArchive> =>
  Stream.chunks(entries).pipe(
    Stream.flatMap((some) =>
      Stream.unwrap(Effect.map(DateTime.nowAsDate, (now) => packed(some, now))),
    ),
    Stream.concat(Stream.sync(archiveEnd)),
  )

/**
 * Reads a tar archive and hands each entry to `f`, one after the other; what `f` leaves of an
 * entry's content is skipped. Memory stays bounded whatever the archive says: the parser refuses
 * headers above 4 MiB.
 */
export const unpackArchive = <E, E2, R>(
  archive: Stream.Stream<Uint8Array, E>,
  f: (entry: ArchiveEntry<InvalidArchive>) => Effect.Effect<void, E2, R>,
): Effect.Effect<void, E | E2 | InvalidArchive, R> =>
  Effect.scoped(
    Effect.gen(function* () {
      const extract = yield* Effect.acquireRelease(
        Effect.sync(() => tar.extract()),
        (extract) => Effect.sync(() => extract.destroy()),
      )
      const feed = Stream.runForEach(archive, (chunk) => write(extract, chunk)).pipe(
        Effect.andThen(Effect.sync(() => extract.end(null))),
      )

      const consume = Stream.runForEach(
        Stream.fromAsyncIterable(extract, toInvalidArchive),
        (source) => {
          const header = source.header
          const kind = kinds[header.type ?? "file"] ?? "other"
          const size = header.size ?? 0
          const content = bytesOf(source)
          return f({
            path: header.name,
            kind,
            size: kind === "file" ? size : 0,
            mode: (header.mode ?? 0o644) & 0o7777,
            modifiedAt: timeOf(header),
            linkTarget: header.linkname || undefined,
            content: kind === "file" ? content : Stream.empty,
          }).pipe(
            // Lets what was not read flow away; the next entry comes only then.
            Effect.andThen(Effect.sync(() => source.resume())),
          )
        },
      )
      yield* Effect.all([feed, consume], { concurrency: "unbounded" })
    }),
  )
