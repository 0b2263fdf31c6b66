import { readFileSync } from "node:fs"
import { join, posix } from "node:path"

/** Links within the site to a missing page or heading. VitePress itself checks only pages in Markdown. */
export const deadAnchors = (
  folder: string,
  files: ReadonlyArray<string>,
): ReadonlyArray<string> => {
  const html = new Map(
    files
      .filter((file) => file.endsWith(".html"))
      .map((file) => [file, readFileSync(join(folder, file), "utf8")]),
  )
  const ids = new Map(
    [...html].map(([file, text]) => [
      file,
      new Set([...text.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id)),
    ]),
  )
  return [...html].flatMap(([file, text]) =>
    [...text.matchAll(/<a [^>]*?href="([^":]*?)(?:#([^"]*))?"/g)].flatMap(
      ([, path = "", anchor = ""]) => {
        const from = path.startsWith("/") ? "." : posix.dirname(file)
        const joined = path === "" ? file : posix.join(from, decodeURI(path))
        const target = /(?:^|\/)$|^\.$/.test(joined) ? posix.join(joined, "index.html") : joined
        const there = ids.get(target)?.has(decodeURIComponent(anchor)) ?? false
        const isThere = anchor === "" ? files.includes(target) : there
        return isThere ? [] : [`${file}: ${path}${anchor === "" ? "" : `#${anchor}`}`]
      },
    ),
  )
}
