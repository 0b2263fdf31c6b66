const isContinuation = (byte: number | undefined) => byte !== undefined && (byte & 0xc0) === 0x80

const lengthFrom = (lead: number) => (lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1)

/** The number of bytes at the start that belong to an earlier character. */
export const strayBytes = (bytes: Uint8Array): number => {
  let stray = 0
  while (stray < 3 && isContinuation(bytes[stray])) stray += 1
  return stray
}

/** The length without a last character that is cut off. */
export const wholeLength = (bytes: Uint8Array): number => {
  for (let back = 1; back <= Math.min(4, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0
    if (isContinuation(byte)) continue
    return lengthFrom(byte) > back ? bytes.length - back : bytes.length
  }
  return bytes.length
}

/** The text, or undefined if the bytes are not UTF-8 text. */
export const decodeText = (bytes: Uint8Array): string | undefined => {
  if (bytes.includes(0)) return undefined
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}
