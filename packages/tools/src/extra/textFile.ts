/** Text files that are changed in a part: read as a whole, and written as a whole. */
import type { SandboxFiles } from "@cordon/core"
import { Effect } from "effect"
import { EditRefused } from "../errors.ts"
import { number } from "../fields.ts"
import { decodeText } from "../utf8.ts"

/** Bytes of a file that is changed in a part, before and after. */
export const editLimit = 8 * 1024 * 1024

export const tooLarge = (path: string, size: number) =>
  new EditRefused({
    path,
    reason: `it has ${number(size)} bytes, and this tool changes files of at most ${number(editLimit)} bytes. Use sandbox_exec (sed, a script)`,
  })

/** All of a text file, byte order mark included, and its permissions. */
export const readWhole = Effect.fnUntraced(function* (files: SandboxFiles, path: string) {
  const { size, mode } = yield* files.stat(path)
  if (size > editLimit) return yield* tooLarge(path, size)
  const bytes = yield* files
    .read(path)
    .pipe(Effect.catchTag("FileTooLarge", ({ size }) => Effect.fail(tooLarge(path, size))))
  const text = decodeText(bytes)
  if (text === undefined) {
    const reason =
      "it is binary or not UTF-8 text. Change it with sandbox_exec, or write it anew as base64"
    return yield* new EditRefused({ path, reason })
  }
  return { text, mode }
})

/** Whether all lines of a text end with CR LF. Models write LF. */
export const hasCrlf = (text: string): boolean => /\r\n/.test(text) && !/(?<!\r)\n/.test(text)

export const toCrlf = (text: string): string => text.replace(/\r?\n/g, "\r\n")
export const toLf = (text: string): string => text.replace(/\r\n/g, "\n")
