/** The input and output formats of file operations and process lists: `docs/init-protocol.md`. */
import type { SandboxUser } from "@cordon/core"
import {
  big,
  bytes,
  type Grammar,
  lent,
  MalformedRecord,
  number,
  safe,
  text,
} from "./RecordParser.ts"

/** The file, folder or link at a path, as listed in its folder. */
export interface Entry {
  readonly kind: "file" | "directory" | "symlink" | "hardlink" | "other"
  /** Permission bits. */
  readonly mode: number
  readonly user: number
  readonly group: number
  /** Bytes; 0 unless it is a regular file. */
  readonly size: number
  /** The time of the last change of its content, if a `Date` can hold it. */
  readonly modifiedAt?: Date | undefined
  /** In a listing: the path relative to the listed folder. */
  readonly path: string
  /** The target of a link; empty otherwise. */
  readonly target: string
}

const kinds: Readonly<Record<string, Entry["kind"]>> = {
  f: "file",
  d: "directory",
  l: "symlink",
  h: "hardlink",
  o: "other",
}
const letters = { file: "f", directory: "d", symlink: "l", hardlink: "h", other: "o" }

// Bytes of an entry before its path, and of the longest entry.
const fixed = 41
export const longestEntry = 72 * 1024
// The most bytes of a piece of content.
const longestContent = 1024 * 1024
// The most bytes of a match's path and line, of a process's name and description, and of a gathered
// file.
const longestPath = 64 * 1024
const longestLine = 4000
const longestName = 256
const longestDescription = 1024
export const longestGathered = 64 * 1024

// The last moment of a year with four digits. A later time can't be real.
const latest = Date.UTC(9999, 11, 31)

const timeOf = (seconds: bigint, nanoseconds: number): Date | undefined => {
  if (nanoseconds >= 1e9) throw new MalformedRecord("a second of more than a second")
  const time = Number(seconds) * 1000 + Math.round(nanoseconds / 1e6)
  return time >= 0 && time <= latest ? new Date(time) : undefined
}

const textAt = (bytes: Buffer, at: number): readonly [text: string, end: number] => {
  const start = at + 4
  const end = start <= bytes.length ? start + bytes.readUInt32LE(at) : bytes.length + 1
  if (end > bytes.length) throw new MalformedRecord("an entry that is too short")
  return [bytes.toString("utf8", start, end), end]
}

const decodeEntry = (bytes: Buffer): Entry => {
  if (bytes.length < fixed) throw new MalformedRecord("an entry that is too short")
  const kind = kinds[String.fromCharCode(bytes[0] ?? 0)]
  if (kind === undefined) throw new MalformedRecord("an entry of no known type")
  const [path, end] = textAt(bytes, fixed)
  const [target] = textAt(bytes, end)
  return {
    kind,
    mode: bytes.readUInt32LE(1) & 0o7777,
    user: bytes.readUInt32LE(5),
    group: bytes.readUInt32LE(9),
    size: kind === "file" ? safe(bytes.readBigUInt64LE(13)) : 0,
    modifiedAt: timeOf(bytes.readBigInt64LE(21), bytes.readUInt32LE(29)),
    path,
    target,
  }
}

/** Encodes an entry for `unpack`. An entry without a time gets 1970. */
export const encodeEntry = (entry: Omit<Entry, "user" | "group">): Buffer => {
  const path = Buffer.from(entry.path)
  const target = Buffer.from(entry.target)
  const length = fixed + 4 + path.length + 4 + target.length
  const bytes = Buffer.alloc(4 + length)
  const time = entry.modifiedAt?.getTime() ?? 0
  const seconds = Math.floor(time / 1000)
  bytes.writeUInt32LE(length)
  bytes.write(letters[entry.kind], 4)
  bytes.writeUInt32LE(entry.mode & 0o7777, 5)
  bytes.writeBigUInt64LE(BigInt(entry.size), 17)
  bytes.writeBigInt64LE(BigInt(seconds), 25)
  bytes.writeUInt32LE((time - seconds * 1000) * 1_000_000, 33)
  bytes.writeUInt32LE(path.length, 45)
  path.copy(bytes, 49)
  bytes.writeUInt32LE(target.length, 49 + path.length)
  target.copy(bytes, 53 + path.length)
  return bytes
}

/** An entry. With `first`, the stream may end here instead. */
export function* entry(first = true): Grammar<Entry> {
  return decodeEntry(yield* lent(longestEntry, first))
}

/** Entries, one after the other. */
export function* entries(emit: (entry: Entry) => void): Grammar<void> {
  for (;;) emit(yield* entry())
}

/** A piece of a file's content. */
export interface Content {
  readonly content: Uint8Array
}

/** An entry, then the bytes of the file. */
export function* entryAndBytes(emit: (part: Entry | Content) => void): Grammar<void> {
  emit(yield* entry())
  for (;;) emit({ content: yield { bytes: longestContent, first: true, some: true } })
}

/** Entries, each file's entry followed by its chunks. `"end"` marks the end of a file. */
export function* archive(emit: (part: Entry | Content | "end") => void): Grammar<void> {
  for (;;) {
    const found = yield* entry()
    emit(found)
    if (found.kind !== "file") continue
    for (let left = yield* number(4); left > 0; left = yield* number(4)) {
      while (left > 0) {
        const content = yield { bytes: left, some: true }
        left -= content.length
        emit({ content })
      }
    }
    emit("end")
  }
}

// Longer pieces are not copied behind their length.
const short = 16 * 1024

/** Encodes a piece of a file's content for an operation. A piece is at most 4 GiB. */
export const chunk = (content: Uint8Array): ReadonlyArray<Uint8Array> => {
  if (content.length === 0) return []
  const length = Buffer.allocUnsafe(4)
  length.writeUInt32LE(content.length)
  return content.length <= short ? [Buffer.concat([length, content])] : [length, content]
}

/** Marks the end of a file's content. */
export const lastChunk = (): Uint8Array => new Uint8Array(4)

/** A line that a search found. */
export interface Match {
  readonly path: string
  readonly line: number
  readonly text: string
}

/** Matches, one after the other. */
export function* matches(emit: (match: Match) => void): Grammar<void> {
  for (;;) {
    const path = yield* text(longestPath, true)
    const line = yield* number(4)
    emit({ path, line, text: yield* text(longestLine) })
  }
}

/** An event in a watched folder. The same event may be reported twice. */
export interface WatchEvent {
  /**
   * - `created` is also sent for each existing entry, before `ready`.
   * - `removed`: its entry only has the path and whether it was a folder.
   * - `overflow`: all earlier events are void; `created` for each entry and then `ready` follow.
   */
  readonly event: "ready" | "created" | "changed" | "removed" | "overflow"
  readonly entry: Entry
}

const events: Readonly<Record<string, WatchEvent["event"]>> = {
  r: "ready",
  c: "created",
  m: "changed",
  d: "removed",
  o: "overflow",
}

/** Events of a watch, one after the other. */
export function* watchEvents(emit: (event: WatchEvent) => void): Grammar<void> {
  for (;;) {
    const event = events[String.fromCharCode(yield* number(1, true))]
    if (event === undefined) throw new MalformedRecord("an event of no known kind")
    emit({ event, entry: yield* entry(false) })
  }
}

/** A process that belongs to no connection. */
export interface KeptProcess {
  readonly name: string
  readonly pid: number
  readonly state: "running" | "exited" | "signalled"
  /** The exit code, or the signal's number. */
  readonly value: number
  /** Milliseconds since it was started. */
  readonly age: number
  /** Bytes of output so far. */
  readonly outputBytes: number
  /** The description that its starter gave. */
  readonly description: string
}

const states = ["running", "exited", "signalled"] as const

/** Kept processes, one after the other. */
export function* keptProcesses(emit: (process: KeptProcess) => void): Grammar<void> {
  for (;;) {
    const name = yield* text(longestName, true)
    const pid = yield* number(4)
    const state = states[yield* number(1)]
    if (state === undefined) throw new MalformedRecord("a process in no known state")
    const value = yield* number(1)
    const age = yield* big()
    const outputBytes = yield* big()
    const description = yield* text(longestDescription)
    emit({ name, pid, state, value, age, outputBytes, description })
  }
}

/** How other connections use a sandbox. */
export interface Usage {
  /** Commands, file operations, dialled ports and attachments that other connections have open. */
  readonly open: number
  /** Kept processes that run. */
  readonly keptRunning: number
  /**
   * Milliseconds since another connection (also one that has ended) last began or ended something;
   * since the init's start if none has.
   */
  readonly quiet: number
}

/** The answer about usage. */
export function* usages(emit: (usage: Usage) => void): Grammar<void> {
  for (;;) {
    const open = yield* number(4, true)
    const keptRunning = yield* number(4)
    emit({ open, keptRunning, quiet: yield* big() })
  }
}

// The most groups of a user, and the most bytes of the path of a home folder.
const mostGroups = 64
const longestHome = 64 * 1024

/** Bytes of the longest user. */
export const longestUser = 12 + 4 * mostGroups + 4 + longestHome

/** A user. */
export function* users(emit: (user: SandboxUser) => void): Grammar<void> {
  for (;;) {
    const uid = yield* number(4, true)
    const gid = yield* number(4)
    const count = yield* number(4)
    if (count > mostGroups) throw new MalformedRecord(`${count} groups`)
    const groups: Array<number> = []
    while (groups.length < count) groups.push(yield* number(4))
    emit({ uid, gid, groups, home: yield* text(longestHome) })
  }
}

/** A file that was gathered. */
export interface Gathered {
  readonly path: string
  readonly content: Uint8Array
}

/** Gathered files, one after the other. */
export function* gathered(emit: (file: Gathered) => void): Grammar<void> {
  for (;;) {
    const path = yield* text(longestPath, true)
    emit({ path, content: yield* bytes(longestGathered) })
  }
}
