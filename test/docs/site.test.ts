import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { deadAnchors } from "../../scripts/site/anchors.ts"
import { contentsOf } from "../../scripts/site/contents.ts"
import { llmsTxt } from "../../scripts/site/llms.ts"
import { pagesFrom, root } from "../../scripts/site/pages.ts"

const { pages } = pagesFrom([
  "README.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  ...readdirSync(join(root, "docs"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".md") && !name.startsWith("api/"))
    .map((name) => `docs/${name}`),
])
const contents = contentsOf([...pages.keys()])

describe("the site", () => {
  it("has each page of the documentation in its sidebar exactly once", () => {
    const listed = contents.flatMap((part) => part.pages)
    assert.deepStrictEqual([...new Set(listed)], listed)
    const written = [...pages.keys()].filter((file) => /^docs\/(?!decisions\/)/.test(file))
    assert.isAbove(written.length, 30)
    assert.includeMembers([...listed], written)
    const last = contentsOf(["docs/new.md", "docs/slots/new.md"]).at(-1)
    assert.deepStrictEqual(last?.pages, ["docs/new.md"])
  })

  it("has a page for each source file and folder that its pages link to", () => {
    assert.match(pages.get("examples/agent.ts.md")?.markdown ?? "", /^# examples\/agent\.ts\n/)
    assert.include(pages.get("docs/decisions/index.md")?.markdown, "](./0002-derived-ids.md)")
  })

  it("shows no notes to the tests, and prints words in angle brackets as text", () => {
    for (const { file, markdown } of pages.values()) {
      const prose = markdown.replaceAll(/^ *(`{3,}).*\n[\s\S]*?^ *\1 *$|`[^`]*`/gm, "")
      assert.notMatch(prose, /<!--|\{\{|(?<!\\)<(?!https?:|\/?(?:a|br|img|sub|sup)\b)/, file)
    }
  })

  it("describes each page in llms.txt by its first sentence", () => {
    const text = llmsTxt(contents, pages)
    for (const file of contents.flatMap((part) => part.pages)) assert.include(text, `](/${file})`)
    assert.include(text, "[Podman](/docs/podman.md): Run sandboxes on Podman with the ")
  })

  it("fails its link check for a missing page or heading", () => {
    const folder = mkdtempSync(join(tmpdir(), "cordon-site-"))
    try {
      mkdirSync(join(folder, "docs"))
      const links = ["/", "one.html", "#here", "two.html", "#nowhere", "/docs/one.html#nowhere"]
      const text = `<h2 id="here"></h2>${links.map((to) => `<a class="x" href="${to}">`).join("")}`
      writeFileSync(join(folder, "docs/one.html"), text)
      writeFileSync(join(folder, "index.html"), '<a href="https://example.com/">')
      const files = readdirSync(folder, { recursive: true, encoding: "utf8" })
      assert.deepStrictEqual(deadAnchors(folder, files), [
        "docs/one.html: two.html",
        "docs/one.html: #nowhere",
        "docs/one.html: /docs/one.html#nowhere",
      ])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
