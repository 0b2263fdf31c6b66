import type { SandboxFiles } from "@cordon/core"
import { Effect, Stream } from "effect"
import { PictureUnfit } from "../../errors.ts"
import { number } from "../../fields.ts"
import { pictureHead, pictureLimit, pictureType, unfitPicture } from "../../picture.ts"

/** Reads a file that is to be shown as a picture; undefined if it is none. */
export const readPicture = Effect.fnUntraced(function* (
  files: SandboxFiles,
  path: string,
  size: number,
) {
  const bytes = (length: number) =>
    Effect.map(Stream.runCollect(files.stream(path, { length })), (all) => Buffer.concat(all))
  if (size < pictureHead) return undefined
  const mediaType = pictureType(yield* bytes(pictureHead))
  if (mediaType === undefined) return undefined
  // One byte more than allowed: the file may have grown since its size was asked for.
  const whole = size > pictureLimit ? undefined : yield* bytes(pictureLimit + 1)
  const reason =
    whole === undefined || whole.length > pictureLimit
      ? `it has ${number(size)} bytes, and a model can be shown ${number(pictureLimit)} at most. Make a smaller one`
      : unfitPicture(mediaType, whole)
  if (whole === undefined || reason !== undefined) {
    return yield* new PictureUnfit({ path, reason: reason ?? "it changed while it was read" })
  }
  const picture = { type: "image", mediaType, data: whole.toString("base64") } as const
  return { picture, size: whole.length }
})
