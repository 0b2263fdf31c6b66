const newline = 10
const nothing = new Uint8Array(0)

/**
 * Finds a channel's own word in what a command wrote: an unguessable pattern, then a few characters
 * up to the end of the line. What can't belong to it is handed on at once.
 */
export class MarkerScanner {
  readonly #pattern: Uint8Array
  #held: Uint8Array = nothing

  constructor(pattern: string) {
    this.#pattern = Buffer.from(pattern)
  }

  /** @returns what came before the word, and the word once it is there; what follows is dropped */
  push(bytes: Uint8Array): { readonly output: Uint8Array; readonly word?: string } {
    const data =
      this.#held.length === 0
        ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
        : Buffer.concat([this.#held, bytes])
    this.#held = nothing
    const at = data.indexOf(this.#pattern)
    if (at === -1) {
      const output = data.subarray(0, data.length - this.#begun(data))
      this.#held = Uint8Array.from(data.subarray(output.length))
      return { output }
    }
    const output = data.subarray(0, at)
    const from = at + this.#pattern.length
    const end = data.indexOf(newline, from)
    if (end === -1) {
      this.#held = Uint8Array.from(data.subarray(at))
      return { output }
    }
    return { output, word: data.toString("latin1", from, end) }
  }

  /** How many bytes at the end could be the pattern's beginning. */
  #begun(data: Buffer): number {
    const first = this.#pattern[0] ?? 0
    let at = data.indexOf(first, Math.max(0, data.length - this.#pattern.length + 1))
    for (; at !== -1; at = data.indexOf(first, at + 1)) {
      const tail = data.subarray(at)
      if (tail.equals(this.#pattern.subarray(0, tail.length))) return tail.length
    }
    return 0
  }
}
