/** Pictures that models can see, recognised by their content. */

/** The kinds of pictures that every provider takes. */
export type PictureType = "image/png" | "image/jpeg" | "image/gif" | "image/webp"

/** Bytes of a picture that a model may be shown: no more than 5 MB of base64 for any provider. */
export const pictureLimit = 3_500_000

/** Pixels of either side that a model may be shown. */
export const pictureSide = 8000

/** Bytes that tell whether a file is a picture. */
export const pictureHead = 16

const text = (bytes: Uint8Array, from: number, to: number) =>
  Buffer.from(bytes.subarray(from, to)).toString("latin1")

/** The picture format with these first bytes, if any. */
export const pictureType = (head: Uint8Array): PictureType | undefined => {
  if (text(head, 0, 8) === "\x89PNG\r\n\x1a\n") return "image/png"
  if (text(head, 0, 3) === "\xff\xd8\xff") return "image/jpeg"
  if (/^GIF8[79]a$/.test(text(head, 0, 6))) return "image/gif"
  if (text(head, 0, 4) === "RIFF" && text(head, 8, 12) === "WEBP") return "image/webp"
  return undefined
}

const sizeOfJpeg = (bytes: Buffer) => {
  let at = 2
  while (at + 9 <= bytes.length && bytes[at] === 0xff) {
    const marker = bytes[at + 1] ?? 0
    // Fill bytes, and markers without a segment.
    if (marker === 0xff) at += 1
    else if (marker === 0x01 || (marker >= 0xd0 && marker <= 0xd7)) at += 2
    else if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      return { width: bytes.readUInt16BE(at + 7), height: bytes.readUInt16BE(at + 5) }
    } else at += 2 + Math.max(2, bytes.readUInt16BE(at + 2))
  }
  return undefined
}

const sizeOfWebp = (bytes: Buffer) => {
  const kind = text(bytes, 12, 16)
  if (kind === "VP8X") {
    return { width: bytes.readUIntLE(24, 3) + 1, height: bytes.readUIntLE(27, 3) + 1 }
  }
  if (kind === "VP8L") {
    const bits = bytes.readUInt32LE(21)
    return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 }
  }
  if (kind === "VP8 ") {
    return { width: bytes.readUInt16LE(26) & 0x3fff, height: bytes.readUInt16LE(28) & 0x3fff }
  }
  return undefined
}

const sizeOf = (mediaType: PictureType, bytes: Buffer) => {
  if (mediaType === "image/jpeg") return sizeOfJpeg(bytes)
  if (bytes.length < 30) return undefined
  if (mediaType === "image/png") {
    return { width: bytes.readUInt32BE(16), height: bytes.readUInt32BE(20) }
  }
  if (mediaType === "image/gif") {
    return { width: bytes.readUInt16LE(6), height: bytes.readUInt16LE(8) }
  }
  return sizeOfWebp(bytes)
}

/** Whether the file ends as its format requires: every provider refuses an incomplete picture. */
const isWhole = (mediaType: PictureType, bytes: Buffer) => {
  if (mediaType === "image/png") return bytes.includes("IEND", bytes.length - 64, "latin1")
  if (mediaType === "image/jpeg") return bytes.lastIndexOf("\xff\xd9", undefined, "latin1") > 2
  if (mediaType === "image/gif") return bytes.includes(0x3b, bytes.length - 64)
  return bytes.readUInt32LE(4) + 8 <= bytes.length
}

/**
 * Why a model can't be shown a picture; undefined where it can. A provider refuses the whole
 * conversation, again and again, for one picture in it that it can't take.
 */
export const unfitPicture = (mediaType: PictureType, bytes: Buffer): string | undefined => {
  const size = sizeOf(mediaType, bytes)
  if (size === undefined || size.width === 0 || size.height === 0 || !isWhole(mediaType, bytes)) {
    return "it is damaged or not whole"
  }
  if (size.width > pictureSide || size.height > pictureSide) {
    return `it has ${size.width} x ${size.height} pixels, and a model can be shown ${pictureSide} each way at most. Make a smaller one`
  }
  return undefined
}
