import { posix } from "node:path"

/**
 * The dead links of a Markdown page for somebody who has only these files: paths to other files.
 * Full URLs are not requested.
 */
export const deadLinks = (
  page: string,
  text: string,
  files: ReadonlySet<string>,
): ReadonlyArray<string> => {
  const prose = text.replace(/^```.*?^```/gms, "").replace(/`[^`\n]*`/g, "")
  const inline = [...prose.matchAll(/\]\(\s*<?([^)\s>]+)/g)]
  const defined = [...prose.matchAll(/^ {0,3}\[[^\]]+\]:\s*<?([^\s>]+)/gm)]
  return [...inline, ...defined]
    .map(([, target = ""]) => target)
    .filter((target) => {
      if (/^(?:https?:|mailto:|#)/.test(target)) return false
      const [path = ""] = target.split("#")
      return !files.has(posix.normalize(posix.join(posix.dirname(page), decodeURI(path))))
    })
}
