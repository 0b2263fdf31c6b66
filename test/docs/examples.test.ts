import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { root } from "./blocks.ts"
import { compile } from "./check.ts"
import { examplesOf, methodsOf, moduleOf, sources } from "./examples.ts"

const texts = await Promise.all(
  (await sources()).map(async (page) => [page, await readFile(join(root, page), "utf8")] as const),
)
const examples = texts.flatMap(([page, text]) => examplesOf(page, text))

/** Examples that must be refused: without these, an empty list of problems would prove nothing. */
const broken = examplesOf(
  "packages/cordon/src/broken.ts",
  `/**
 * A fence, Effect, and a name that an import gives.
 *
 * @example
 * \`\`\`ts
 * import { docker } from "cordon"
 *
 * const { stdout } = yield* sandbox.exec("ls")
 * docker({ hots: stdout })
 * \`\`\`
 */
export const one = 1
  /**
   * A promise, and a tag that follows.
   *
   * @example
   * await sandbox.exec("ls")
   * await box.kil()
   *
   * @returns nothing
   */
  /** @example not on a line of its own */
`,
)

describe("examples in docstrings", () => {
  it("are all found", () => {
    const tags = texts.flatMap(([, text]) => text.match(/^ *\* @example$/gm) ?? [])
    assert.isAbove(tags.length, 50)
    assert.lengthOf(examples, tags.length)
  })

  it("stand at every method for programs without Effect", () => {
    const methods = texts.flatMap(([, text]) => methodsOf(text))
    const names = methods.map(({ name }) => name)
    assert.includeMembers(names, [
      ...["Sandbox.create", "Sandbox.kill", "PromiseSandboxes.create", "PromiseSandbox.exec"],
      ...["PromiseSandboxFiles.read", "PromiseProcess.kill", "PromiseShell.exec"],
      ...["PromiseTool.execute", "McpServer.http", "Gateway.share"],
    ])
    assert.deepStrictEqual(
      methods.filter(({ hasExample }) => !hasExample).map(({ name }) => name),
      [],
    )
  })

  it("compile", { timeout: 300_000 }, async () => {
    const found = await compile([...examples, ...broken].map(moduleOf))
    assert.deepStrictEqual(
      found.filter((problem) => !problem.startsWith("packages/cordon/src/broken.ts")),
      [],
    )
    const expected = [
      /broken\.ts:9: error TS2353: .*'hots'/,
      /broken\.ts:18: error TS2551: .*'kil'/,
    ]
    for (const pattern of expected) assert.isTrue(found.some((problem) => pattern.test(problem)))
    assert.lengthOf(found, expected.length)
  })
})
