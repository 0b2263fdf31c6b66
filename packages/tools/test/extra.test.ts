import { createSandboxes } from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { assert, describe, it } from "@effect/vitest"
import { aiSdkTools } from "../src/adapters/ai-sdk.ts"
import { createTools } from "../src/index.ts"

describe("the optional tools", () => {
  it("are off by default", async () => {
    await using toolset = createTools({ driver: memory() })
    assert.strictEqual(toolset.tools.length, 8)
    await using none = createTools({ driver: memory(), extra: [] })
    assert.strictEqual(none.tools.length, 8)
  })

  it("follow the standard tools in a fixed order, each once", async () => {
    await using toolset = createTools({ driver: memory(), extra: ["patch", "edit", "edit"] })
    assert.deepStrictEqual(
      toolset.tools.slice(8).map(({ name }) => name),
      ["sandbox_edit_file", "sandbox_apply_patch"],
    )
    const tools = aiSdkTools(toolset)
    assert.isDefined(tools.sandbox_edit_file.execute)
    assert.isDefined(tools.sandbox_exec.execute)
  })

  it("are refused by an unknown name", () => {
    const extra: Array<never> = JSON.parse('["edits"]')
    assert.throws(() => createTools({ driver: memory(), extra }), /extra/)
  })

  it("can act on one sandbox, without a field that names it", async () => {
    await using sandboxes = createSandboxes({ driver: memory() })
    const sandbox = await sandboxes.create({ name: "mine" })
    await using toolset = createTools({ sandbox, extra: ["edit"] })
    assert.strictEqual(toolset.tools.length, 6)
    for (const { description, inputSchema } of toolset.tools) {
      assert.notInclude(description, "web-1")
      assert.notProperty(inputSchema.properties, "sandbox")
    }
    await sandbox.files.write("a", "one")
    const edit = { path: "a", old_string: "one", new_string: "two" }
    const result = await toolset.byName.sandbox_edit_file.execute(edit)
    assert.isTrue(result.ok, result.text)
    assert.strictEqual(await sandbox.files.readText("a"), "two")
  })

  it("are reported to onToolCall as the others are", async () => {
    const calls: Array<string> = []
    await using toolset = createTools({
      driver: memory(),
      extra: ["edit"],
      onToolCall: ({ tool, sandbox, outcome }) => void calls.push(`${tool} ${sandbox} ${outcome}`),
    })
    await toolset.byName.sandbox_create.execute({ name: "box" })
    const edit = { sandbox: "box", path: "a", old_string: "one", new_string: "two" }
    await toolset.byName.sandbox_edit_file.execute(edit)
    await toolset.byName.sandbox_edit_file.execute({ ...edit, sandbox: "other" })
    assert.deepStrictEqual(calls.slice(1), [
      "sandbox_edit_file box FileNotFound",
      "sandbox_edit_file other SandboxNotFound",
    ])
  })
})
