import { randomBytes } from "node:crypto"
import type { Output } from "../shared/live.ts"

/** A result of a command as the port has it. */
export interface Answer extends Output {
  readonly wallTimeSeconds: number
  readonly exitCode?: number
  readonly sessionId?: number
  readonly originalTokenCount?: number
}

// The same estimate as in the framework.
const bytesPerToken = 4

/** Cuts a text that is longer than its caller wants, and keeps head and tail. */
export const withinTokens = (text: string, tokens: number | undefined) => {
  const bytes = Buffer.byteLength(text)
  if (tokens === undefined || bytes <= tokens * bytesPerToken) return { text }
  const all = Buffer.from(text)
  const half = Math.floor((tokens * bytesPerToken) / 2)
  // A character that is cut in two is left out.
  const head = all
    .subarray(0, half)
    .toString()
    .replace(/\ufffd+$/, "")
  const tail = all
    .subarray(bytes - half)
    .toString()
    .replace(/^\ufffd+/, "")
  const cut = Math.ceil((bytes - 2 * half) / bytesPerToken)
  return {
    text: `${head}...${cut} tokens truncated...${tail}`,
    originalTokenCount: Math.ceil(bytes / bytesPerToken),
  }
}

/** A result in the words that the framework's instructions to the model speak of. */
export const worded = (answer: Omit<Answer, "stdout" | "stderr">): string => {
  const { wallTimeSeconds, sessionId, exitCode, originalTokenCount, both } = answer
  return [
    `Chunk ID: ${randomBytes(3).toString("hex")}`,
    `Wall time: ${wallTimeSeconds.toFixed(4)} seconds`,
    ...(sessionId === undefined ? [] : [`Process running with session ID ${sessionId}`]),
    ...(exitCode === undefined ? [] : [`Process exited with code ${exitCode}`]),
    ...(originalTokenCount === undefined ? [] : [`Original token count: ${originalTokenCount}`]),
    "Output:",
    both,
  ].join("\n")
}
