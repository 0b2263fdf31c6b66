import { ExecEvent as Event, type ExecEvent } from "@cordon/core"

/** A piece of one of a command's outputs. */
export type OutputEvent = Extract<ExecEvent, { readonly _tag: "Stdout" | "Stderr" }>

const headerBytes = 8

/**
 * Parses the frames in which the engine multiplexes stdout and stderr: 8 bytes of header (the
 * stream's number, three zeros, the payload's length in big-endian), then the payload. Pieces may
 * end anywhere; payloads are passed on as they arrive and never buffered.
 *
 * @see https://docs.docker.com/reference/api/engine/ (attach, stream format)
 */
export class FrameParser {
  readonly #header = Buffer.alloc(headerBytes)
  #have = 0
  #stream = 0
  #left = 0

  /** @returns the output in the piece. Throws `MalformedFrame` if the piece does not fit the format */
  push(piece: Uint8Array): Array<OutputEvent> {
    const events: Array<OutputEvent> = []
    this.parse(piece, (stream, bytes) => {
      events.push(stream === 2 ? Event.Stderr({ bytes }) : Event.Stdout({ bytes }))
      return true
    })
    return events
  }

  /**
   * Like `push`, but passes the output in the piece to `take`, until `take` wants no more.
   *
   * @returns whether `take` wants more
   */
  parse(piece: Uint8Array, take: (stream: number, bytes: Uint8Array) => boolean): boolean {
    let at = 0
    while (at < piece.length) {
      if (this.#left > 0) {
        const bytes = piece.subarray(at, at + this.#left)
        at += bytes.length
        this.#left -= bytes.length
        if (!take(this.#stream, bytes)) return false
        continue
      }
      this.#header[this.#have++] = piece[at++] ?? 0
      if (this.#have < headerBytes) continue
      this.#have = 0
      const kind = this.#header.readUInt32LE()
      if (kind > 2) throw new MalformedFrame()
      this.#stream = kind
      this.#left = this.#header.readUInt32BE(4)
    }
    return true
  }
}

/** The engine sent something that is not its stream format. */
export class MalformedFrame extends Error {
  override readonly message = "the output is not in the engine's stream format"
}
