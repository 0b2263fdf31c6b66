import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"

export const root = join(import.meta.dirname, "../..")

/** A code block of a page. */
export interface Block {
  readonly page: string
  /** The line of the page that its first line is, from 1. */
  readonly line: number
  readonly language: string
  /** The file named after the language: where the code is from, or what the reader is to make. */
  readonly file?: string
  /** What the comment directly above says: `<!-- not run: it needs two machines -->`. */
  readonly comment?: string
  readonly code: string
}

const fenced = /^(?:(?: *)<!-- (.+) -->\n\s*?)?( *)```(\S*)(?: (\S+))?\n((?:.*\n)*?)\2```$/gm

/** The code blocks of a page, without the indentation that they have in lists. */
export const blocksOf = (page: string, text: string): ReadonlyArray<Block> =>
  [...text.matchAll(fenced)].map((match) => {
    const [all, comment, indent = "", language = "", file, code = ""] = match
    const head = text.slice(0, match.index) + all.slice(0, all.indexOf("```"))
    return {
      page,
      line: head.split("\n").length + 1,
      language,
      ...(file === undefined ? {} : { file }),
      ...(comment === undefined ? {} : { comment }),
      code: code.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
    }
  })

/**
 * The pages that people read, from the top of the repository; but for those that `cordon init` writes,
 * whose commands scripts/install-check.ts runs.
 */
export const pages = async (): Promise<ReadonlyArray<string>> => {
  const below = async (folder: string) =>
    (await readdir(join(root, folder), { recursive: true }))
      .filter(
        (name) =>
          name.endsWith(".md") && !/(?:^|\/)(?:node_modules|dist|templates|api)\//.test(name),
      )
      .map((name) => join(folder, name))
  return ["README.md", "CHANGELOG.md", ...(await below("docs")), ...(await below("packages"))]
}

export const readPage = (page: string) => readFile(join(root, page), "utf8")
