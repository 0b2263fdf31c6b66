// Control characters, and those that change the order or the place of what is read.
const harmful = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

const escaped = (character: string) =>
  Array.from(
    { length: character.length },
    (_, unit) => `\\u${character.charCodeAt(unit).toString(16).padStart(4, "0")}`,
  ).join("")

/** Text that a sandbox may have had a say in, for a terminal: what could steer it is written as an escape. */
export const harmless = (text: string): string => text.replace(harmful, escaped)

/** As `harmless`, and lines stay lines. In JSON the escapes mean what they stand for. */
export const harmlessLines = (text: string): string => text.split("\n").map(harmless).join("\n")
