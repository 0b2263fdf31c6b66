import { ExecEvent as Event, type ExecEvent } from "@cordon/core"

/** A piece of one of a command's outputs. */
export type OutputEvent = Extract<ExecEvent, { readonly _tag: "Stdout" | "Stderr" }>

const headerBytes = 8

/**
 * Takes apart the frames in which the engine multiplexes stdout and stderr: 8 bytes of header (the
 * stream's number, three zeros, the payload's length big-endian), then the payload. Pieces may end
 * anywhere; payloads are handed on as they come and never gathered.
 *
 * @see https://docs.docker.com/reference/api/engine/ (attach, stream format)
 */
export class FrameParser {
  readonly #header = new Uint8Array(headerBytes)
  #have = 0
  #stream = 0
  #left = 0

  /** @returns what the piece holds of output; throws `MalformedFrame` on what is no frame */
  push(piece: Uint8Array): Array<OutputEvent> {
    const events: Array<OutputEvent> = []
    let at = 0
    while (at < piece.length) {
      if (this.#left > 0) {
        const bytes = piece.subarray(at, at + this.#left)
        at += bytes.length
        this.#left -= bytes.length
        events.push(this.#stream === 2 ? Event.Stderr({ bytes }) : Event.Stdout({ bytes }))
        continue
      }
      this.#header[this.#have++] = piece[at++] ?? 0
      if (this.#have < headerBytes) continue
      this.#have = 0
      const [stream = 255, ...zeros] = this.#header.subarray(0, 4)
      if (stream > 2 || zeros.some((byte) => byte !== 0)) throw new MalformedFrame()
      this.#stream = stream
      this.#left = new DataView(this.#header.buffer).getUint32(4)
    }
    return events
  }
}

/** The engine sent something that is not its stream format. */
export class MalformedFrame extends Error {
  override readonly message = "the output is not in the engine's stream format"
}
