import { Clock, Effect, Stream } from "effect"
import type { ExecEvent, ExecResult } from "./values/Exec.ts"

/** Keeps the head and the tail of a byte stream, and counts what falls between. */
export class HeadAndTail {
  readonly #headLimit: number
  readonly #tailLimit: number
  readonly #head: Array<Uint8Array> = []
  #headBytes = 0
  #tail: Array<Uint8Array> = []
  #tailBytes = 0
  /** Bytes that were pushed. */
  total = 0

  /** @param limit bytes that are kept, half of them of each end */
  constructor(limit: number) {
    this.#headLimit = Math.ceil(limit / 2)
    this.#tailLimit = Math.floor(limit / 2)
  }

  /** Takes what comes next. */
  push(bytes: Uint8Array): void {
    this.total += bytes.length
    const room = this.#headLimit - this.#headBytes
    const forHead = bytes.subarray(0, room)
    if (forHead.length > 0) {
      // Copied, so that a small piece does not keep the large buffer alive that it is a view of.
      this.#head.push(forHead.slice())
      this.#headBytes += forHead.length
    }
    const forTail = bytes.subarray(forHead.length)
    if (forTail.length === 0) return
    this.#tail.push(forTail.slice(-this.#tailLimit || forTail.length))
    this.#tailBytes += Math.min(forTail.length, this.#tailLimit)
    // Compact only when twice over the limit: the cost of each byte stays constant.
    if (this.#tailBytes > 2 * this.#tailLimit || this.#tail.length > 1024) this.#compact()
  }

  #compact(): void {
    const joined = Buffer.concat(this.#tail)
    const kept = this.#tailLimit === 0 ? Buffer.alloc(0) : joined.subarray(-this.#tailLimit)
    this.#tail = [Uint8Array.from(kept)]
    this.#tailBytes = kept.length
  }

  /** Whether anything fell between. */
  get truncated(): boolean {
    return this.total > this.#headLimit + this.#tailLimit
  }

  /** What was kept, with a note where it was cut. */
  get text(): string {
    if (this.#tail.length > 0) this.#compact()
    const head = Buffer.concat(this.#head)
    const tail = Buffer.concat(this.#tail)
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
