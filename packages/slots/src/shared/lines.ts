/** A part of a text, by lines. */
export interface LineRange {
  /** The first line, from 1. */
  readonly startLine?: number | undefined
  /** The last line, or the text's last line if it has fewer lines. */
  readonly endLine?: number | undefined
}

/** The lines of a range, with the ends of lines that the text has. */
export const linesOf = (text: string, { startLine, endLine }: LineRange): string => {
  if (startLine === undefined && endLine === undefined) return text
  const end = ["\r\n", "\n", "\r"].find((one) => text.includes(one)) ?? "\n"
  return text
    .split(end)
    .slice(Math.max(1, startLine ?? 1) - 1, Math.max(0, endLine ?? Number.POSITIVE_INFINITY))
    .join(end)
}
