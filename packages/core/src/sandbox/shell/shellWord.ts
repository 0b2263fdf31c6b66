/**
 * A text as one word of a POSIX shell script, whatever characters it has.
 *
 * @example
 * await sandbox.run(`cat ${shellWord(path)} | sort`)
 */
export const shellWord = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`
