import { Context, type Effect } from "effect"

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
  const text = new TextDecoder().decode(output.subarray(-4 * longestMessage))
  const lines = text.split(/[\r\n]/).map((line) => line.replace(controls, "").trim())
  return lines.findLast((line) => line !== "")?.slice(0, longestMessage)
}

// Colours and cursor movements, and what is left of control characters.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
const controls = /\u001b\[[0-9;?]*[ -/]*[@-~]|[\u0000-\u001f\u007f-\u009f]/g
