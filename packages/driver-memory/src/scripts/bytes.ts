/**
 * Tells bytes from text in a script's output. just-bash carries bytes as text with one character for each byte,
 * and marks most results as one or the other. These functions decide about the rest.
 */
import { type CustomCommand, defineCommand } from "just-bash"

/** Text as just-bash carries bytes: a character for each. */
const asBytes = (text: string) => Buffer.from(text, "utf8").toString("latin1")
const asText = (bytes: string) =>
  /[^\0-\xff]/.test(bytes) ? bytes : Buffer.from(bytes, "latin1").toString("utf8")

/** Replaces the escapes `\u` and `\U` by their characters: they stand for text, not for bytes. */
const withCharacters = (format: string) =>
  format.replace(
    /\\(\\|u([0-9A-Fa-f]{1,4})|U([0-9A-Fa-f]{1,8}))/g,
    (written, _, short?: string, long?: string) => {
      const code = Number.parseInt(short ?? long ?? "0", 16)
      return code < 0x80 || code > 0x10ffff ? written : String.fromCodePoint(code)
    },
  )

/** A command that prints its arguments, and takes an escape such as `\377` for a byte. */
const printing = (name: string, prepare: (args: ReadonlyArray<string>) => ReadonlyArray<string>) =>
  defineCommand(name, async (args, { origCommand }) => {
    if (origCommand === undefined) throw new Error(`There is no ${name} to print with`)
    // It prints into a variable, which holds text.
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

/** In place of the interpreter's own `printf` and `echo`, which print each byte as a character. */
export const byteCommands: ReadonlyArray<CustomCommand> = [
  printing("printf", ([format = "", ...rest]) => [withCharacters(format), ...rest]),
  printing("echo", (args) => (/^-[nE]*e/.test(args[0] ?? "") ? args.map(withCharacters) : args)),
]

/** The bytes that just-bash writes to a file. */
export const contentBytes = (content: string | Uint8Array, encoding: unknown): Uint8Array => {
  if (typeof content !== "string") return Uint8Array.from(content)
  return encoding === "binary" || encoding === "latin1"
    ? Buffer.from(content, "latin1")
    : new TextEncoder().encode(content)
}

/** The bytes of a script's output that is not marked: it may be text, or have one character for each byte. */
export const outputBytes = (output: string): Uint8Array =>
  // Real text has no C1 controls. Output with them, and with nothing above U+00FF, is bytes.
  /[\x80-\x9f]/.test(output) && !/[^\0-\xff]/.test(output)
    ? Buffer.from(output, "latin1")
    : new TextEncoder().encode(output)
