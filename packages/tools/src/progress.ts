import { Context, type Effect } from "effect"
import { condense } from "./condense.ts"

/** The progress of a call, for people who wait for it: `Pulling debian:12: Downloading 31 MB of 49 MB`. */
export interface ToolProgress {
  /** One line. */
  readonly message: string
}

/**
 * The listener for a call's progress: pulls of an image, and the output of a command line by line.
 * Default: none. A program can provide one around a tool's `handle`.
 */
export const OnToolProgress = Context.Reference<
  ((progress: ToolProgress) => Effect.Effect<void>) | undefined
>("@cordon/tools/OnToolProgress", { defaultValue: () => undefined })

const longestMessage = 200

/** The last non-empty line of a text, made safe for display. */
const lastLineOf = (text: string): string | undefined =>
  condense(text)
    .split("\n")
    .map((line) => line.trim())
    .findLast((line) => line !== "")
    ?.slice(0, longestMessage)

/** The last line of an output that comes in pieces: lines and characters go on in the next one. */
export class LatestLine {
  readonly #decoder = new TextDecoder()
  #unfinished = ""

  /** @returns what there is to show now, also of a line that has not ended */
  push(piece: Uint8Array): string | undefined {
    const decoded = this.#decoder.decode(piece, { stream: true })
    // Enough for a line, however much comes at once.
    const text = (this.#unfinished + decoded).slice(-4 * longestMessage)
    this.#unfinished = text.slice(text.lastIndexOf("\n") + 1)
    return lastLineOf(text)
  }
}
