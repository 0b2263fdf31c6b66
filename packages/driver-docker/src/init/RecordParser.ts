/** What the records of a stream are taken apart with: see `docs/init-protocol.md`, "File operations". */

/** What came is no record: it says what of it is none. Fails its call and nothing else. */
export class MalformedRecord extends Error {
  override readonly name = "MalformedRecord"
}

/** Bytes that a grammar waits for: so many as one piece, or some of them as they come. */
export interface Need {
  readonly bytes: number
  /** Whether the stream may end before them. */
  readonly first?: boolean
  readonly some?: boolean
}

/**
 * Reads records: yields what it needs, and gets it. What it gets must be copied if it is to be kept,
 * but for what it asked for some of.
 */
export type Grammar<A> = Generator<Need, A, Uint8Array>

const viewOf = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)

/** A number of at most 32 bits. */
export function* number(bytes: 1 | 4, first = false): Grammar<number> {
  const view = viewOf(yield { bytes, first })
  return bytes === 1 ? view.getUint8(0) : view.getUint32(0, true)
}

/** A number of 64 bits that has to be a safe one. */
export function* big(): Grammar<number> {
  return safe(viewOf(yield { bytes: 8 }).getBigUint64(0, true))
}

/** The number, if it can be counted with. */
export const safe = (value: bigint): number => {
  const number = Number(value)
  if (!Number.isSafeInteger(number)) throw new MalformedRecord(`a number as big as ${value}`)
  return number
}

/** A length and so many bytes, which are not to be kept; longer ones are refused before they come. */
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
 * Takes a stream apart into records. Holds no more than the start of what is not whole; its memory
 * grows with what has come, not with what was announced.
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

  /** @returns what the piece completes; throws `MalformedRecord` on what is no record */
  push(piece: Uint8Array): Array<A> {
    let at = 0
    for (;;) {
      const { bytes, some } = this.#need
      if (at === piece.length && bytes > 0) break
      if (some === true || (this.#have === 0 && piece.length - at >= bytes)) {
        // Whoever has lent it knows it again.
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
