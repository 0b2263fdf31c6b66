/**
 * What of a script's output is bytes. just-bash carries bytes as text with a character for each, and
 * says of each result which of the two it is; where it does not, these say it.
 */
import { type CustomCommand, defineCommand } from "just-bash"

/** Text as just-bash carries bytes: a character for each. */
const asBytes = (text: string) => Buffer.from(text, "utf8").toString("latin1")
const asText = (bytes: string) =>
  /[^\0-\xff]/.test(bytes) ? bytes : Buffer.from(bytes, "latin1").toString("utf8")

/** Puts characters in place of `\u` and `\U`, which stand for text and not for bytes. */
const withCharacters = (format: string) =>
  format.replace(
    /\\(\\|u([0-9A-Fa-f]{1,4})|U([0-9A-Fa-f]{1,8}))/g,
    (written, _, short?: string, long?: string) => {
      const code = Number.parseInt(short ?? long ?? "0", 16)
      return code < 0x80 || code > 0x10ffff ? written : String.fromCodePoint(code)
    },
  )

/** A command that prints its arguments: an escape such as `\377` is a byte, and no character. */
const printing = (name: string, prepare: (args: ReadonlyArray<string>) => ReadonlyArray<string>) =>
  defineCommand(name, async (args, { origCommand }) => {
    if (origCommand === undefined) throw new Error(`There is no ${name} to print with`)
    // Into a variable, which holds text.
    if (args[0] === "-v") return origCommand(args)
    const result = await origCommand(prepare(args).map(asBytes))
    return /[^\0-\xff]/.test(result.stdout)
      ? result
      : {
          ...result,
          stderr: asText(result.stderr),
          stdoutKind: "bytes",
          stdoutEncoding: "binary",
        }
  })

/** The interpreter's own, which print each byte as a character. */
export const byteCommands: ReadonlyArray<CustomCommand> = [
  printing("printf", ([format = "", ...rest]) => [withCharacters(format), ...rest]),
  printing("echo", (args) => (/^-[nE]*e/.test(args[0] ?? "") ? args.map(withCharacters) : args)),
]

/** What just-bash hands to a file. */
export const contentBytes = (content: string | Uint8Array, encoding: unknown): Uint8Array => {
  if (typeof content !== "string") return Uint8Array.from(content)
  return encoding === "binary" || encoding === "latin1"
    ? Buffer.from(content, "latin1")
    : new TextEncoder().encode(content)
}

/** A script's output where nothing says what it is: text, or a byte for each character. */
export const outputBytes = (output: string): Uint8Array =>
  // Only bytes can have C1 controls and nothing above them: text that has them is made up.
  /[\x80-\x9f]/.test(output) && !/[^\0-\xff]/.test(output)
    ? Buffer.from(output, "latin1")
    : new TextEncoder().encode(output)
