import { StorageFailed } from "../errors.ts"
import type { FileMatch } from "../values/Files.ts"
import { enterFolder, leaveOut } from "./listing.ts"

/** Exit code of a pattern that grep refuses. */
export const badPattern = 81

/**
 * $1: folder, $2: pattern, $3: options of grep, $4: glob that names must match or empty, then names
 * to leave out. Prints for each match its file's path, NUL, line number, colon, line; a path is
 * printed once for the lines that follow where grep can't end names with NUL (busybox).
 */
export const searchScript = `${enterFolder}
pattern=$2 flags=$3 glob=$4
shift 4
said=$(echo | grep -q "$flags" -e "$pattern" 2>&1)
[ -z "$said" ] || { printf '%s' "$said" >&2; exit ${badPattern}; }
${leaveOut}
set -- "$@" -type f
[ -z "$glob" ] || set -- "$@" -name "$glob"
if [ -z "$(grep -HIZ -e x /dev/null 2>&1)" ]; then
  find . "$@" -exec grep -HIZ "$flags" -e "$pattern" {} +
else
  find . "$@" -print0 | while IFS= read -r -d '' file; do
    if grep -q "$flags" -e "$pattern" "$file"; then
      printf '%s\\0' "$file"
      grep "$flags" -e "$pattern" "$file"
    fi
  done
fi 2>/dev/null
exit 0
`

/** Characters of a line that are kept. */
export const longestLine = 1000
const longestPath = 64 * 1024

/** Takes apart what {@link searchScript} prints; a line's end beyond the limit is let go. */
export class MatchParser {
  readonly #folder: string
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true })
  #pending = ""
  #path = ""
  #skipping = false

  constructor(folder: string) {
    this.#folder = folder.replace(/\/+$/, "")
  }

  /** @returns the matches that the piece completes; throws `StorageFailed` on what is none */
  push(piece: Uint8Array): Array<FileMatch> {
    let text = this.#pending + this.#decoder.decode(piece, { stream: true })
    const matches: Array<FileMatch> = []
    for (;;) {
      if (this.#skipping) {
        const end = text.indexOf("\n")
        text = end === -1 ? "" : text.slice(end + 1)
        if (end === -1) break
        this.#skipping = false
      }
      if (text.startsWith("./")) {
        const end = text.indexOf("\0")
        if (end === -1) break
        this.#path = text.slice(2, end)
        text = text.slice(end + 1)
      }
      const end = text.indexOf("\n")
      // As long as it takes to tell a path from a line.
      if (end === -1 && text.length < longestLine + 32) break
      const found = /^(\d+):([\s\S]*)$/.exec(end === -1 ? text : text.slice(0, end))
      if (found === null || this.#path === "") throw this.#malformed()
      const [, line = "", whole = ""] = found
      matches.push({
        path: `${this.#folder}/${this.#path}`,
        line: Number(line),
        text: whole.slice(0, longestLine).replace(/\r$/, ""),
      })
      this.#skipping = end === -1
      text = end === -1 ? "" : text.slice(end + 1)
    }
    if (text.length > longestPath) throw this.#malformed()
    this.#pending = text
    return matches
  }

  #malformed(): StorageFailed {
    return new StorageFailed({
      path: this.#folder || "/",
      reason: "the sandbox's grep printed something that is no match",
    })
  }
}
