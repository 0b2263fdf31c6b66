import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { EngineReason, PullFailure } from "@cordon/core"
import { assert, describe, it } from "vitest"
import { readPage, root } from "./blocks.ts"

interface Package {
  readonly exports: Readonly<Record<string, string | { readonly "@cordon/source": string }>>
}

/** The source files that programs import packages by. */
const entries = readdirSync(join(root, "packages")).flatMap((folder) => {
  const base = join(root, "packages", folder)
  const { exports }: Package = JSON.parse(readFileSync(join(base, "package.json"), "utf8"))
  return Object.values(exports).flatMap((target) =>
    typeof target === "string" ? [] : [join(base, target["@cordon/source"])],
  )
})

/** The tags of the error classes that the packages export. */
const exportedTags = async (): Promise<ReadonlyArray<string>> => {
  const modules: ReadonlyArray<Readonly<Record<string, unknown>>> = await Promise.all(
    entries.map((file) => import(file)),
  )
  const errors = modules.flatMap(Object.values).filter((value) => {
    return typeof value === "function" && value.prototype instanceof Error
  })
  return [...new Set(errors.map(({ prototype }) => String(prototype.name)))].sort()
}

/** What stands in the first column of the tables with this head. */
const firstColumn = (page: string, head: string): ReadonlyArray<string> =>
  page
    .split("\n\n")
    .filter((part) => part.startsWith(`| ${head} |`))
    .flatMap((table) => [...table.matchAll(/^\| `(\w+)` \|/gm)].map(([, name = ""]) => name))
    .sort()

describe("docs/errors.md", () => {
  it("lists each error that a package exports exactly once, and no other", async () => {
    const tags = await exportedTags()
    assert.includeMembers([...tags], ["SandboxNotFound", "BinaryFile", "UnsupportedArchitecture"])
    assert.deepStrictEqual(firstColumn(await readPage("docs/errors.md"), "Error"), tags)
  })

  it("lists each reason of EngineError exactly once, and no other", async () => {
    const reasons = firstColumn(await readPage("docs/errors.md"), "Why")
    assert.deepStrictEqual(reasons, Object.keys(EngineReason.cases).sort())
  })

  it("lists each reason of ImagePullFailed exactly once, and no other", async () => {
    const reasons = firstColumn(await readPage("docs/errors.md"), "Reason")
    assert.deepStrictEqual(reasons, [...PullFailure.literals].sort())
  })
})
