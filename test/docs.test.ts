import { existsSync } from "node:fs"
import { readdir, readFile } from "node:fs/promises"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"

const root = join(import.meta.dirname, "..")

/** What other tests run: `test/examples.test.ts` and `test/frameworks`. */
const tested =
  /^examples\/(?:frameworks\/[a-z-]+|agent|code-review|features|mcp-client|mcp-server|spread-driver)\.ts$/

describe.each(["docs/drivers.md", "docs/features.md", "docs/frameworks.md", "docs/mcp.md"])(
  "the programs in %s",
  (guide) => {
    it("are parts of files that other tests run", async () => {
      const text = await readFile(join(root, guide), "utf8")
      const blocks = [...text.matchAll(/^```ts(?: (\S+))?\n([\s\S]*?)^```$/gm)]
      assert.isNotEmpty(blocks)
      for (const [, file = "", code = ""] of blocks) {
        assert.match(file, tested, code)
        assert.include(await readFile(join(root, file), "utf8"), code, file)
      }
    })
  },
)

describe("the documentation", () => {
  it("leads to files that are there", async () => {
    const pages = await readdir(join(root, "docs"), { recursive: true })
    const guides = pages.filter((name) => name.endsWith(".md")).map((name) => join("docs", name))
    assert.isAbove(guides.length, 20)
    for (const guide of [...guides, "README.md", "CHANGELOG.md"]) {
      const text = await readFile(join(root, guide), "utf8")
      for (const [, link = ""] of text.matchAll(/\]\((?!https?:|#)([^)#]+)\)/g)) {
        assert.isTrue(existsSync(join(root, dirname(guide), link)), `${guide}: ${link}`)
      }
    }
  })
})
