// The pages of the site: those that are read, and every file of the repository that one of them leads to.
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { join, posix } from "node:path"

export const root = join(import.meta.dirname, "../..")

/** The page on the site for a path of the repository. */
export interface Page {
  /** The path of its Markdown, below the site's root. */
  readonly file: string
  readonly markdown: string
}

const read = (path: string) => readFileSync(join(root, path), "utf8")
const isFolder = (path: string) => statSync(join(root, path)).isDirectory()

export const titleOf = (markdown: string, otherwise: string): string =>
  /^# (.*)$/m.exec(markdown)?.[1]?.replaceAll("`", "") ?? otherwise

/** The folder's page is its README, and a list of its files where it has none. */
const fileOf = (path: string): string => {
  if (isFolder(path)) return posix.join(path, "index.md")
  if (!path.endsWith(".md")) return `${path}.md`
  return posix.join(posix.dirname(path), posix.basename(path).replace(/^README\.md$/, "index.md"))
}

const listOf = (folder: string): string => {
  const items = readdirSync(join(root, folder), { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name }) => ({ name, path: posix.join(folder, name) }))
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .map(({ name, path }) => {
      const title = name.endsWith(".md") ? titleOf(read(path), name) : name
      return `- [${title}](${name})`
    })
  const name = posix.basename(folder)
  return [`# ${name.charAt(0).toUpperCase()}${name.slice(1)}`, items.join("\n")].join("\n\n")
}

const sourceOf = (path: string): string => {
  const language = /\.(\w+)$/.exec(path)?.[1] ?? "text"
  return `# ${path}\n\n\`\`\`\`${language}\n${read(path).trimEnd()}\n\`\`\`\`\n`
}

const textOf = (path: string): string => {
  if (path.endsWith(".md")) return read(path)
  if (!isFolder(path)) return sourceOf(path)
  const readme = posix.join(path, "README.md")
  return existsSync(join(root, readme)) ? read(readme) : listOf(path)
}

/** Changes only the text outside of code. */
const inProse = (markdown: string, change: (prose: string) => string): string =>
  markdown
    .split(/(^ *(`{3,}).*\n[\s\S]*?^ *\2 *$|``[^`]+``|`(?:[^`\n]|\n(?!\n))+`)/gm)
    // Two groups of the pattern are in the list after each part of prose.
    .map((part, index) => (index % 3 === 0 ? change(part) : index % 3 === 1 ? part : ""))
    .join("")

/** A page as the site has it, and the files of the repository that it leads to. */
const translate = (path: string, pictures: Set<string>): { page: Page; leadsTo: Array<string> } => {
  const folder = isFolder(path) ? path : posix.dirname(path)
  const file = fileOf(path)
  const leadsTo: Array<string> = []
  const relink = (whole: string, target: string, anchor = "") => {
    if (target === "" || /^[a-z]+:/.test(target)) return whole
    const to = posix.join(folder, decodeURI(target))
    if (!existsSync(join(root, to))) throw new Error(`${path} leads to ${to}, which is not there`)
    if (/\.(?:svg|png|gif)$/.test(to)) {
      pictures.add(to)
      return whole
    }
    leadsTo.push(to)
    const relative = posix.relative(posix.dirname(file), fileOf(to))
    return `](./${relative}${anchor})`
  }
  const markdown = inProse(textOf(path), (prose) =>
    prose
      // Notes to the tests of the documentation.
      .replaceAll(/<!--[\s\S]*?-->\n?/g, "")
      // Vue would take these for programs and for elements.
      .replaceAll("{{", "&#123;&#123;")
      .replaceAll(/(?<!\\)<(?!https?:|\/?(?:a|br|img|sub|sup)\b)/g, "&lt;")
      .replaceAll(/\]\(([^)#\s]*)(#[^)\s]*)?\)/g, relink),
  )
  return { page: { file, markdown }, leadsTo }
}

/** All pages that can be reached from some, and the pictures on them. */
export const pagesFrom = (starts: ReadonlyArray<string>) => {
  const pages = new Map<string, Page>()
  const pictures = new Set<string>()
  const waiting = [...starts]
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (pages.has(fileOf(path))) continue
    const { page, leadsTo } = translate(path, pictures)
    pages.set(page.file, page)
    waiting.push(...leadsTo)
  }
  return { pages, pictures }
}
