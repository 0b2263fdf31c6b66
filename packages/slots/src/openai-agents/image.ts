import { FileNotFound, NotAFile, type PromiseSandbox } from "@cordon/core"
import type { ToolOutputImage } from "@openai/agents"

const limit = 10 * 1024 ** 2

/** The first bytes of each file format; RIFF has its format after its length. */
const formats: ReadonlyArray<readonly [mediaType: string, start: string]> = [
  ["image/png", "\x89PNG\r\n\x1a\n"],
  ["image/jpeg", "\xff\xd8\xff"],
  ["image/gif", "GIF87a"],
  ["image/gif", "GIF89a"],
  ["image/webp", "RIFFWEBP"],
]

/** A picture from a sandbox for the model. It rejects with the messages that the framework looks for. */
export const imageOf = async (
  { files }: PromiseSandbox,
  path: string,
): Promise<ToolOutputImage> => {
  const bytes = await files.read(path, { length: limit + 1 }).catch((error: unknown) => {
    if (error instanceof FileNotFound) throw new Error(`Image file not found: ${path}`)
    if (error instanceof NotAFile) throw new Error(`Image path is not a file: ${path}`)
    throw error
  })
  if (bytes.length > limit) throw new Error(`Image file exceeds the 10 MB limit: ${path}`)
  const head = Buffer.from(bytes.subarray(0, 12)).toString("latin1")
  const start = head.startsWith("RIFF") ? head.slice(0, 4) + head.slice(8) : head
  const format = formats.find(([, known]) => start.startsWith(known))
  if (format === undefined) throw new Error(`Unsupported image format: ${path}`)
  return { type: "image", image: { data: new Uint8Array(bytes), mediaType: format[0] } }
}
