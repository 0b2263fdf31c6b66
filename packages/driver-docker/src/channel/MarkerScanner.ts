const newline = 10
const nothing = new Uint8Array(0)

/** A word of the channel's own, and which it is. */
interface Word {
  readonly pattern: string
  /** What follows the pattern up to the end of the line. */
  readonly rest: string
}

/**
 * Takes a channel's own words out of what a command wrote: each an unguessable pattern, a few more
 * characters and the end of the line. What can't belong to one is handed on at once.
 */
export class MarkerScanner {
  readonly #patterns: ReadonlyArray<string>
  readonly #longest: number
  #held: Uint8Array = nothing

  constructor(...patterns: ReadonlyArray<string>) {
    this.#patterns = patterns
    this.#longest = Math.max(...patterns.map((pattern) => pattern.length))
  }

  /** What is held back because a word may begin with it: output, where nothing more comes. */
  get held(): Uint8Array {
    return this.#held
  }

  /** @returns output and words in the order in which they came */
  push(bytes: Uint8Array): Array<Uint8Array | Word> {
    let data =
      this.#held.length === 0
        ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
        : Buffer.concat([this.#held, bytes])
    this.#held = nothing
    const parts: Array<Uint8Array | Word> = []
    for (;;) {
      const found = this.#first(data)
      const end = found === undefined ? -1 : data.indexOf(newline, found.at)
      if (found === undefined || end === -1) {
        const whole = found?.at ?? data.length - this.#begun(data)
        this.#held = Uint8Array.from(data.subarray(whole))
        if (whole > 0) parts.push(data.subarray(0, whole))
        return parts
      }
      if (found.at > 0) parts.push(data.subarray(0, found.at))
      const { pattern, at } = found
      parts.push({ pattern, rest: data.toString("latin1", at + pattern.length, end) })
      data = data.subarray(end + 1)
    }
  }

  #first(data: Buffer): { readonly pattern: string; readonly at: number } | undefined {
    let first: { readonly pattern: string; readonly at: number } | undefined
    for (const pattern of this.#patterns) {
      const at = data.indexOf(pattern, 0, "latin1")
      if (at !== -1 && at < (first?.at ?? Number.POSITIVE_INFINITY)) first = { pattern, at }
    }
    return first
  }

  /** How many bytes at the end could be a pattern's beginning. */
  #begun(data: Buffer): number {
    for (let length = Math.min(this.#longest - 1, data.length); length > 0; length--) {
      const tail = data.toString("latin1", data.length - length)
      if (this.#patterns.some((pattern) => pattern.startsWith(tail))) return length
    }
    return 0
  }
}
