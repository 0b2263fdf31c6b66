import { api, type Part } from "./contents.ts"
import { type Page, titleOf } from "./pages.ts"

/** The first sentence of a page's first paragraph, without its links. */
const aboutOf = (markdown: string): string => {
  const paragraph = markdown.split("\n\n").find((part) => /^(?:[A-Z[]|`[^`])/.test(part)) ?? ""
  const plain = paragraph.replaceAll("\n", " ").replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1")
  return /^.*?[.:](?= |$)/.exec(plain)?.[0].replace(/:$/, ".") ?? plain
}

/** The content of `llms.txt` (https://llmstxt.org): links to the Markdown of every page. */
export const llmsTxt = (
  contents: ReadonlyArray<Part>,
  pages: ReadonlyMap<string, Page>,
): string => {
  const line = (file: string) => {
    const markdown = pages.get(file)?.markdown ?? ""
    const about = aboutOf(markdown)
    return `- [${titleOf(markdown, file)}](/${file})${about === "" ? "" : `: ${about}`}`
  }
  return [
    "# Cordon",
    "> Container sandboxes for TypeScript agents, on your own Docker hosts.",
    "Everything below in one file: [llms-full.txt](/llms-full.txt).",
    ...contents.map(({ title, pages: files }) => `## ${title}\n\n${files.map(line).join("\n")}`),
    `## API\n\n- [API reference](/${api}): a page for each module, class, interface and function.\n`,
  ].join("\n\n")
}

/** The guide in one file, without the reference. */
export const llmsFullTxt = (
  contents: ReadonlyArray<Part>,
  pages: ReadonlyMap<string, Page>,
): string =>
  contents
    .flatMap((part) => part.pages)
    .map((file) => `<!-- /${file} -->\n\n${pages.get(file)?.markdown.trim() ?? ""}\n`)
    .join("\n")
