/**
 * A text as one word of a POSIX shell script, whatever characters it has.
 *
 * @example
 * import { shellWord } from "@cordon/core"
 *
 * const path = "it's here.txt"
 * await sandbox.run(`sort ${shellWord(path)}`)
 */
export const shellWord = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`
