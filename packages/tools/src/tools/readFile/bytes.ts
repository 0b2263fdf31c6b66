import type { SandboxFiles } from "@cordon/core"
import { Effect, Stream } from "effect"
import { BinaryFile } from "../../errors.ts"
import { type Encoding, number } from "../../fields.ts"
import { decodeText, strayBytes, wholeLength } from "../../utf8.ts"
import { type Input, type Part, readLimit, refuse } from "./fields.ts"

// A multiple of 3, so that the parts of a file add up to the base64 of the whole.
const base64Bytes = (readLimit / 4) * 3

/** Reads bytes of a file, as many as fit into one answer; as text only whole characters. */
export const readBytes = Effect.fnUntraced(function* (
  files: SandboxFiles,
  { path, offset = 0, length = Number.POSITIVE_INFINITY }: Input,
  encoding: Encoding,
  size: number,
) {
  const most = encoding === "utf8" ? readLimit : base64Bytes
  // At least one character, which has 4 bytes at most, so that each call gets further.
  const wanted = Math.max(Math.min(length, most), encoding === "utf8" ? 4 : 1)
  // Reads one extra byte to see whether the file goes on.
  const read = Buffer.concat(
    yield* Stream.runCollect(files.stream(path, { offset, length: wanted + 1 })),
  )
  if (read.length === 0 && offset > 0) {
    return yield* refuse(`"offset" is ${offset}, but the file has ${number(size)} bytes.`)
  }
  const more = read.length > wanted
  const bytes = read.subarray(0, wanted)
  const from = encoding === "utf8" && offset > 0 ? strayBytes(bytes) : 0
  const to = encoding === "utf8" && more ? wholeLength(bytes) : bytes.length
  const shown = bytes.subarray(from, to)
  const content = encoding === "base64" ? shown.toString("base64") : decodeText(shown)
  if (content === undefined) return yield* new BinaryFile({ path, size })
  const next_offset = offset + to
  const part: Part = {
    content,
    offset: offset + from,
    truncated: more && length > most,
    ...(more
      ? {
          next_offset,
          note: `Bytes ${offset + from} to ${next_offset - 1} of ${number(size)}. Read on with offset ${next_offset}.`,
        }
      : {}),
  }
  return part
})
