import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join, resolve } from "node:path"
import { blocksOf, root } from "../../test/docs/blocks.ts"
import { run } from "./pack.ts"

/**
 * Follows a page word for word in an empty folder, as a reader would: types its commands into one
 * shell, makes the files that it names, and checks the output that it shows.
 */
export const walk = async (page: string, folder: string, env: NodeJS.ProcessEnv): Promise<void> => {
  mkdirSync(folder)
  let here = folder
  let output = ""
  for (const { line, language, file, comment, code } of blocksOf(
    page,
    readFileSync(resolve(root, page), "utf8"),
  )) {
    const place = `${page}:${line}`
    if (comment?.startsWith("not run: ")) continue
    if (language === "sh") {
      const left = join(folder, "..", "walked-to")
      output = await run("sh", ["-euc", `${code}\npwd > '${left}'`], here, env)
      here = readFileSync(left, "utf8").trim()
    } else if (language === "text") {
      if (!output.includes(code)) throw new Error(`${place} shows another output than\n${output}`)
    } else if (file !== undefined && !file.includes("/")) {
      writeFileSync(join(here, file), code)
    } else if (file === undefined) {
      throw new Error(`${place}: the reader does not learn which file this goes into`)
    }
  }
}
