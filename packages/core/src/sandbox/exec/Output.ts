import { Clock, Effect, Stream } from "effect"
import type { ExecEvent, ExecResult } from "../../values/Exec.ts"

/** Keeps the tail of a byte stream. */
export class Tail {
  readonly #limit: number
  #pieces: Array<Uint8Array> = []
  #bytes = 0
  /** Bytes that were pushed. */
  total = 0

  /** @param limit bytes that are kept */
  constructor(limit: number) {
    this.#limit = limit
  }

  /** Takes what comes next. */
  push(bytes: Uint8Array): void {
    this.total += bytes.length
    // Copied, so that a small piece does not keep the large buffer alive that it is a view of.
    const kept = bytes.slice(Math.max(0, bytes.length - this.#limit))
    if (kept.length === 0) return
    this.#pieces.push(kept)
    this.#bytes += kept.length
    // Compact only when twice over the limit: the cost of each byte stays constant.
    if (this.#bytes > 2 * this.#limit || this.#pieces.length > 1024) this.#compact()
  }

  #compact(): Buffer {
    const joined = Buffer.concat(this.#pieces)
    const kept = Buffer.from(joined.subarray(Math.max(0, joined.length - this.#limit)))
    this.#pieces = [kept]
    this.#bytes = kept.length
    return kept
  }

  /** What was kept. */
  get bytes(): Buffer {
    return this.#compact()
  }
}

/** Keeps the head and the tail of a byte stream, and counts what falls between. */
export class HeadAndTail {
  readonly #limit: number
  readonly #headLimit: number
  readonly #head: Array<Uint8Array> = []
  readonly #tail: Tail
  #headBytes = 0

  /** @param limit bytes that are kept, half of them of each end */
  constructor(limit: number) {
    this.#limit = limit
    this.#headLimit = Math.ceil(limit / 2)
    this.#tail = new Tail(Math.floor(limit / 2))
  }

  /** Bytes that were pushed. */
  get total(): number {
    return this.#headBytes + this.#tail.total
  }

  /** Takes what comes next. */
  push(bytes: Uint8Array): void {
    const forHead = bytes.subarray(0, this.#headLimit - this.#headBytes)
    if (forHead.length > 0) {
      this.#head.push(forHead.slice())
      this.#headBytes += forHead.length
    }
    this.#tail.push(bytes.subarray(forHead.length))
  }

  /** Whether anything fell between. */
  get truncated(): boolean {
    return this.total > this.#limit
  }

  /** What was kept, with a note where it was cut. */
  get text(): string {
    const head = Buffer.concat(this.#head)
    const tail = this.#tail.bytes
    if (!this.truncated) return Buffer.concat([head, tail]).toString("utf8")
    // Where it was cut no character may be split: leave out the pieces.
    const from = tail.findIndex((byte) => !isContinuation(byte))
    const kept = tail.subarray(Math.min(from === -1 ? tail.length : from, 3))
    const lead = head.subarray(0, wholeCharacters(head))
    const cut = this.total - lead.length - kept.length
    return `${lead.toString("utf8")}\n[... ${cut} bytes cut ...]\n${kept.toString("utf8")}`
  }
}

const isContinuation = (byte: number) => (byte & 0xc0) === 0x80

/** How many of the bytes make up whole UTF-8 characters, as far as the end can tell. */
const wholeCharacters = (bytes: Uint8Array): number => {
  for (let back = 1; back <= Math.min(4, bytes.length); back++) {
    const byte = bytes[bytes.length - back] ?? 0
    if (isContinuation(byte)) continue
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc0 ? 2 : 1
    return length > back ? bytes.length - back : bytes.length
  }
  return bytes.length
}

/**
 * Runs a command's stream to its end and keeps at most `limit` bytes of each output, head and tail.
 * Memory stays within a small multiple of the limit, however much the command writes.
 */
export const collectOutput = Effect.fnUntraced(function* <E, R>(
  events: Stream.Stream<ExecEvent, E, R>,
  limit: number,
) {
  const started = yield* Clock.currentTimeMillis
  const stdout = new HeadAndTail(limit)
  const stderr = new HeadAndTail(limit)
  let exit: Extract<ExecEvent, { _tag: "Exit" }> | undefined
  yield* Stream.runForEach(events, (event) =>
    Effect.sync(() => {
      if (event._tag === "Stdout") stdout.push(event.bytes)
      else if (event._tag === "Stderr") stderr.push(event.bytes)
      else exit = event
    }),
  )
  if (exit === undefined) {
    return yield* Effect.die(new Error("A driver ended a command's stream without an exit"))
  }
  const result: ExecResult = {
    stdout: stdout.text,
    stderr: stderr.text,
    exitCode: exit.exitCode,
    duration: (yield* Clock.currentTimeMillis) - started,
    truncated: stdout.truncated || stderr.truncated,
    stdoutBytes: stdout.total,
    stderrBytes: stderr.total,
    timedOut: exit.timedOut,
    oomKilled: exit.oomKilled,
    restarted: exit.restarted,
  }
  return result
})
