// Control characters, and characters that change the order or the place of displayed text.
const harmful = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu

const escaped = (character: string) =>
  Array.from(
    { length: character.length },
    (_, unit) => `\\u${character.charCodeAt(unit).toString(16).padStart(4, "0")}`,
  ).join("")

/** Text that may come from a sandbox, made safe for a terminal: control characters are written as escapes. */
export const harmless = (text: string): string => text.replace(harmful, escaped)

/** Like `harmless`, but keeps line breaks. In JSON the escapes stand for the original characters. */
export const harmlessLines = (text: string): string => text.split("\n").map(harmless).join("\n")
