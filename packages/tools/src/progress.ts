import { Context, type Effect } from "effect"
import { condense } from "./condense.ts"

/** How a call gets on, for people who wait for it: `Pulling debian:12: Downloading 31 MB of 49 MB`. */
export interface ToolProgress {
  /** One line. */
  readonly message: string
}

/**
 * Who is told how a call gets on: pulls of an image, and the output of a command line by line. Nobody
 * unless a program provides it around a tool's `handle`.
 */
export const OnToolProgress = Context.Reference<
  ((progress: ToolProgress) => Effect.Effect<void>) | undefined
>("@cordon/tools/OnToolProgress", { defaultValue: () => undefined })

const longestMessage = 200

/** The last line of some output that says anything, fit to be shown. */
export const lastLine = (output: Uint8Array): string | undefined => {
  // Enough for a line, however much comes at once.
  const lines = condense(new TextDecoder().decode(output.subarray(-4 * longestMessage))).split("\n")
  return lines
    .map((line) => line.trim())
    .findLast((line) => line !== "")
    ?.slice(0, longestMessage)
}
