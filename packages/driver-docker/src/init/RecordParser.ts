/** Parses the records of a stream: see `docs/init-protocol.md`, "File operations". */

/** The input is not a valid record; the message says why. Fails only its own call. */
export class MalformedRecord extends Error {
  override readonly name = "MalformedRecord"
}

/** Bytes that a grammar waits for: an exact number as one piece, or some of them as they arrive. */
export interface Need {
  readonly bytes: number
  /** Whether the stream may end here instead. */
  readonly first?: boolean
  readonly some?: boolean
}

/**
 * A generator that reads records: it yields a need, and receives the bytes. It must copy the bytes
 * to keep them, except those that it asked for as "some".
 */
export type Grammar<A> = Generator<Need, A, Uint8Array>

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** A number of at most 32 bits. */
export function* number(bytes: 1 | 4, first = false): Grammar<number> {
  const view = viewOf(yield { bytes, first })
  return bytes === 1 ? view.getUint8(0) : view.getUint32(0, true)
}

/** A number of 64 bits that must be a safe integer. */
export function* big(): Grammar<number> {
  return safe(viewOf(yield { bytes: 8 }).getBigUint64(0, true))
}

/** The number, if it is a safe integer. */
export const safe = (value: bigint): number => {
  const number = Number(value)
  if (!Number.isSafeInteger(number)) throw new MalformedRecord(`a number as big as ${value}`)
  return number
}

/** A length and so many bytes, which must not be kept. Too long a value is refused before it arrives. */
export function* lent(longest: number, first = false): Grammar<Buffer> {
  const length = yield* number(4, first)
  if (length > longest) throw new MalformedRecord(`${length} bytes where ${longest} may be`)
  const { buffer, byteOffset } = yield { bytes: length }
  return Buffer.from(buffer, byteOffset, length)
}

/** @param longest bytes */
export function* text(longest: number, first = false): Grammar<string> {
  return (yield* lent(longest, first)).toString()
}

/** @param longest bytes */
export function* bytes(longest: number): Grammar<Uint8Array> {
  return Uint8Array.from(yield* lent(longest))
}

const smallest = 256

/**
 * Splits a stream into records. Buffers only the start of an incomplete record; its memory grows
 * with the received bytes, not with the announced length.
 */
export class RecordParser<A> {
  readonly #grammar: Grammar<void>
  readonly #records: Array<A> = []
  #need: Need
  #held = Buffer.alloc(0)
  #have = 0

  /** @param grammar emits records, without an end */
  constructor(grammar: (emit: (record: A) => void) => Grammar<void>) {
    this.#grammar = grammar((record) => this.#records.push(record))
    this.#need = this.#require(this.#grammar.next())
  }

  /** Whether the stream may end here. */
  get complete(): boolean {
    return this.#need.first === true && this.#have === 0
  }

  /** @returns the records that the piece completes. Throws `MalformedRecord` on invalid input */
  push(piece: Uint8Array): Array<A> {
    let at = 0
    for (;;) {
      const { bytes, some } = this.#need
      if (at === piece.length && bytes > 0) break
      if (some === true || (this.#have === 0 && piece.length - at >= bytes)) {
        // The unchanged piece is passed on, so that its lender recognises it.
        const all = at === 0 && piece.length <= bytes
        const part = all ? piece : piece.subarray(at, at + bytes)
        at += part.length
        this.#feed(part)
        continue
      }
      const part = piece.subarray(at, at + bytes - this.#have)
      at += part.length
      this.#hold(part, bytes)
      if (this.#have < bytes) break
      this.#have = 0
      this.#feed(this.#held.subarray(0, bytes))
    }
    return this.#records.splice(0)
  }

  #feed(part: Uint8Array): void {
    this.#need = this.#require(this.#grammar.next(part))
  }

  #require(step: IteratorResult<Need, void>): Need {
    if (step.done === true) throw new MalformedRecord("more than there can be")
    return step.value
  }

  #hold(part: Uint8Array, needed: number): void {
    if (this.#held.length < this.#have + part.length) {
      const size = Math.max(smallest, 2 * (this.#have + part.length))
      const more = Buffer.allocUnsafeSlow(Math.min(size, Math.max(needed, smallest)))
      this.#held.copy(more, 0, 0, this.#have)
      this.#held = more
    }
    this.#held.set(part, this.#have)
    this.#have += part.length
  }
}
