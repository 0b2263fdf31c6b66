import { StorageFailed } from "../errors.ts"
import type { FileEntry, FileKind } from "../values/Files.ts"
import { explain, fileExit } from "./fileScripts.ts"

const needFind = `command -v find >/dev/null || { echo "the image has no find" >&2; exit ${fileExit.failed}; }`

/** Enters the folder $1, or says why that can't be done. */
export const enterFolder = `${explain}
[ -e "$1" ] || { explain "$1"; exit ${fileExit.notFound}; }
[ -d "$1" ] || exit ${fileExit.notFile}
[ -r "$1" ] && [ -x "$1" ] || exit ${fileExit.denied}
${needFind}
cd "$1" || exit ${fileExit.denied}
`

/** Turns the names in "$@" into an expression of find that leaves them out. */
export const leaveOut = `for name do shift; set -- "$@" -name "$name" -prune -o; done
`

const format = (kind: string) => `'%p//%s %m %T@ ${kind}\\n'`

/**
 * Prints what find finds from here on, an entry each: its path, two slashes (which no path that
 * find makes can hold), size in bytes, permission bits in octal, time of the last change in seconds
 * and kind. A find that knows -printf has fractions of seconds; busybox has not.
 *
 * $depth: how deep. "$@": an expression that leaves out what is not wanted.
 */
export const printEntries = `
if find . -maxdepth 0 -printf '' 2>/dev/null; then
  find . -mindepth 1 -maxdepth "$depth" "$@" \\
    -type f -printf ${format("file")} -o -type d -printf ${format("directory")} -o -printf ${format("%y")}
else
  find . -mindepth 1 -maxdepth "$depth" "$@" -exec stat -c '%n//%s %a %Y %F' {} +
fi 2>/dev/null
`

/** $1: folder, $2: depth. Prints its entries; what may not be looked into is passed over. */
export const listScript = `${enterFolder}
depth=$2
set --
${printEntries}
exit 0
`

const kinds: Readonly<Record<string, FileKind>> = {
  file: "file",
  "regular file": "file",
  "regular empty file": "file",
  directory: "directory",
  "symbolic link": "symlink",
  l: "symlink",
  // A find without %y is just-bash's, which knows no other kind.
  "%y": "symlink",
}

// A path and the few numbers; what is longer is not of our script.
const mostPending = 1024 * 1024
const latest = 8.64e15 // of a Date, in milliseconds

/** Takes apart what {@link printEntries} prints, whatever names the files have. */
export class ListingParser {
  readonly #folder: string
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true })
  #pending = ""

  constructor(folder: string) {
    this.#folder = folder.replace(/\/+$/, "")
  }

  /** @returns the entries that the piece completes; throws `StorageFailed` on what is no entry */
  push(piece: Uint8Array): Array<FileEntry> {
    this.#pending += this.#decoder.decode(piece, { stream: true })
    const record = /\.\/([\s\S]*?)\/\/(\d+) ([0-7]+) (-?\d+(?:\.\d+)?) ([a-zA-Z% ]+)\n/y
    const entries: Array<FileEntry> = []
    let end = 0
    for (let match = record.exec(this.#pending); match !== null; ) {
      const [, relative = "", size = "", mode = "", modified = "", kindName = ""] = match
      const kind = kinds[kindName] ?? "other"
      const time = Math.min(Math.max(Number(modified) * 1000, -latest), latest)
      entries.push({
        name: relative.slice(relative.lastIndexOf("/") + 1),
        path: `${this.#folder}/${relative}`,
        kind,
        size: kind === "file" ? Number(size) : 0,
        mode: Number.parseInt(mode, 8) & 0o7777,
        modifiedAt: new Date(time),
      })
      end = record.lastIndex
      match = record.exec(this.#pending)
    }
    this.#pending = this.#pending.slice(end)
    if (this.#pending.length > mostPending) throw this.malformed()
    return entries
  }

  /** @returns whether the output ended with a whole entry */
  get complete(): boolean {
    return this.#pending === ""
  }

  malformed(): StorageFailed {
    return new StorageFailed({
      path: this.#folder || "/",
      reason: "the sandbox's find printed something that is no listing",
    })
  }
}
