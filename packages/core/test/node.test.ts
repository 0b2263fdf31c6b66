import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { unsupportedNode } from "@cordon/core/node"
import { assert, describe, it } from "@effect/vitest"

const packages = join(import.meta.dirname, "../..")

describe("a Node that is too old", () => {
  it("is recognised by the range that the packages declare", () => {
    for (const folder of readdirSync(packages)) {
      const manifest = JSON.parse(readFileSync(join(packages, folder, "package.json"), "utf8"))
      const least = manifest.engines.node.replace(">=", "")
      assert.isUndefined(unsupportedNode({ node: `${least}.0` }), folder)
      const [major, minor] = least.split(".").map(Number)
      assert.match(
        unsupportedNode({ node: `${major}.${minor - 1}.9` }) ?? "",
        new RegExp(`^Cordon needs Node ${least} or later; this is Node ${major}.${minor - 1}.9.$`),
      )
    }
    assert.isUndefined(unsupportedNode({ node: "24.0.0" }))
    assert.isUndefined(unsupportedNode({ node: "100.1.0-nightly" }))
    for (const node of ["20.20.2", "18.0.0", "8.17.0"]) {
      assert.include(unsupportedNode({ node }) ?? "", `this is Node ${node}.`)
    }
  })

  it("is not confused with another runtime or a browser", () => {
    assert.isUndefined(unsupportedNode({ node: "20.0.0", bun: "1.3.0" }))
    assert.isUndefined(unsupportedNode({ node: "20.0.0", deno: "2.5.0" }))
    assert.isUndefined(unsupportedNode({}))
    assert.isUndefined(unsupportedNode())
  })

  it("is refused by each package before anything else is imported", () => {
    for (const folder of readdirSync(packages)) {
      const { exports } = JSON.parse(readFileSync(join(packages, folder, "package.json"), "utf8"))
      // The main entry, or each of them where there is none.
      const entries: ReadonlyArray<{ readonly "@cordon/source"?: string }> =
        exports["."] === undefined ? Object.values(exports) : [exports["."]]
      const sources = entries.flatMap((entry) => entry["@cordon/source"] ?? [])
      assert.isAbove(sources.length, 0, folder)
      for (const source of sources) {
        const text = readFileSync(join(packages, folder, source), "utf8")
        const [first] = text.split("\n").filter((line) => line !== "" && !line.startsWith("//"))
        const own = folder === "core" ? "./requireNode.ts" : "@cordon/core"
        assert.strictEqual(first, `import "${own}"`, `${folder}/${source}`)
      }
    }
  })
})
