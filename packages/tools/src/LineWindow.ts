const newline = 0x0a

/**
 * Collects the bytes of some lines of a file out of its chunks, at most `limit` bytes, in memory
 * proportional to that, however long the file and its lines are.
 */
export class LineWindow {
  readonly #start: number
  readonly #end: number
  readonly #limit: number
  readonly #kept: Array<Uint8Array> = []
  #keptBytes = 0
  /** Bytes kept up to and with the last newline. */
  #wholeBytes = 0
  #line = 1
  #lineHasBytes = false
  /** Lines that are kept up to their newline. */
  #wholeLines = 0
  #full = false
  /** The offset in the file at which the window begins. */
  offset = 0

  /** Lines `start` to `end`, both 1-based and included. */
  constructor(start: number, end: number, limit: number) {
    this.#start = start
    this.#end = end
    this.#limit = limit
  }

  push(chunk: Uint8Array): void {
    let rest = chunk
    while (rest.length > 0) {
      const at = rest.indexOf(newline)
      const piece = at === -1 ? rest : rest.subarray(0, at + 1)
      rest = rest.subarray(piece.length)
      if (this.#line < this.#start) this.offset += piece.length
      else if (this.#line <= this.#end && !this.#full) this.#keep(piece, at !== -1)
      if (at === -1) this.#lineHasBytes = true
      else {
        this.#line += 1
        this.#lineHasBytes = false
      }
    }
  }

  #keep(piece: Uint8Array, ended: boolean) {
    const taken = piece.subarray(0, this.#limit - this.#keptBytes)
    // Copied, so that the memory of the whole chunk can be freed.
    this.#kept.push(taken.slice())
    this.#keptBytes += taken.length
    if (taken.length < piece.length) this.#full = true
    else if (ended) {
      this.#wholeBytes = this.#keptBytes
      this.#wholeLines += 1
    }
  }

  /** Whether no further byte can belong to the window. */
  get done(): boolean {
    return this.#full || this.#line > this.#end
  }

  /** Lines seen so far, an unfinished last one included. */
  get linesSeen(): number {
    return this.#line - (this.#lineHasBytes ? 0 : 1)
  }

  /** The kept text. If not all lines fit, the complete ones, or else a part of the first. */
  get result() {
    const bytes = Buffer.concat(this.#kept)
    if (!this.#full) {
      const unfinished = this.#keptBytes > this.#wholeBytes ? 1 : 0
      return { bytes, lines: this.#wholeLines + unfinished, cut: "no" as const }
    }
    return this.#wholeLines > 0
      ? {
          bytes: bytes.subarray(0, this.#wholeBytes),
          lines: this.#wholeLines,
          cut: "lines" as const,
        }
      : { bytes, lines: 1, cut: "line" as const }
  }
}
