import { posix } from "node:path"

/**
 * The links of a Markdown page that lead nowhere for somebody who has only these files: paths to other
 * files. Whole addresses are not asked.
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
