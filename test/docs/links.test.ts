import { execFileSync } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { assert, it } from "vitest"
import { deadLinks } from "../../scripts/install/links.ts"
import { root } from "./blocks.ts"

const tracked = execFileSync("git", ["-C", root, "ls-files", "-z"], { encoding: "utf8" })
  .split("\0")
  .filter((path) => path !== "" && existsSync(join(root, path)))

/** Each folder that a file is in. */
const foldersOf = (path: string): ReadonlyArray<string> => {
  const folder = dirname(path)
  return folder === "." ? [folder] : [folder, ...foldersOf(folder)]
}

const known = new Set([...tracked, ...tracked.flatMap(foldersOf)])

it("no page of the repository has a broken link", () => {
  const pages = tracked.filter((path) => path.endsWith(".md"))
  const dead = pages.flatMap((page) =>
    deadLinks(page, readFileSync(join(root, page), "utf8"), known).map((to) => `${page}: ${to}`),
  )
  assert.deepStrictEqual(dead, [])
})

it("the map in CONTRIBUTING names only existing files", () => {
  const page = readFileSync(join(root, "CONTRIBUTING.md"), "utf8")
  const named = [...page.matchAll(/`((?:packages|test|docs|init)\/[^`*]+)`/g)].map(([, to]) =>
    (to ?? "").replace(/\/$/, ""),
  )
  assert.isAbove(named.length, 15)
  assert.deepStrictEqual(
    named.filter((to) => !known.has(to)),
    [],
  )
})
