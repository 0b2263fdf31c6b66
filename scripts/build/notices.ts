import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import type { OutputChunk } from "rolldown"

/** The licenses of the packages whose code is in a bundle. */
export const notices = (chunks: ReadonlyArray<OutputChunk>): string => {
  const folders = new Set(
    chunks
      .flatMap(({ moduleIds }) => moduleIds)
      .flatMap((id) => /^.*\/node_modules\/(?:@[^/]+\/)?[^/]+/.exec(id) ?? []),
  )
  const texts = [...folders].map((folder) => {
    const { name, version, license } = JSON.parse(
      readFileSync(join(folder, "package.json"), "utf8"),
    )
    const file = readdirSync(folder).find((file) => /^licen[cs]e/i.test(file))
    const text = file === undefined ? "" : readFileSync(join(folder, file), "utf8").trim()
    return `${name} ${version}: ${license}\n\n${text}`.trim()
  })
  return `${texts.sort().join(`\n\n${"-".repeat(80)}\n\n`)}\n`
}
