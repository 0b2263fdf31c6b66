import type { BetaRunnableTool } from "@anthropic-ai/sdk/lib/tools/BetaRunnableTool"
import { createSandboxes, type PromiseSandbox } from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { type AnthropicSandboxOptions, anthropicSandbox } from "@cordon/slots/anthropic"
import { assert, describe, it } from "@effect/vitest"
import { rejects } from "./rejects.ts"

type Call = (input: unknown) => Promise<unknown>

const calling =
  (tool: BetaRunnableTool<unknown> | undefined): Call =>
  async (input) =>
    tool === undefined ? assert.fail() : await tool.run(tool.parse(input))

const withTools = async (
  body: (tools: {
    readonly bash: Call
    readonly edit: Call
    readonly sandbox: PromiseSandbox
  }) => Promise<void>,
  options?: AnthropicSandboxOptions,
) => {
  await using sandboxes = createSandboxes({ driver: memory() })
  const sandbox = await sandboxes.create()
  const [bash, edit] = anthropicSandbox(sandbox, options)
  await body({ bash: calling(bash), edit: calling(edit), sandbox })
  await bash?.close?.()
}

const message = async (call: Promise<unknown>) => {
  const error = await rejects(call)
  return error instanceof Error ? error.message : assert.fail()
}

describe("Anthropic's text editor", () => {
  it("shows files with the numbers of their lines, and folders two levels deep", () =>
    withTools(async ({ edit, sandbox }) => {
      await edit({ command: "create", path: "src/deep/er/a.txt", file_text: "" })
      await edit({ command: "create", path: "src/a.txt", file_text: "one\n\nthree\n" })
      await sandbox.run("mkdir -p .git node_modules/x; touch .hidden src/.hidden")
      const view = (view_range?: unknown) =>
        edit({ command: "view", path: "src/a.txt", ...(view_range ? { view_range } : {}) })
      assert.strictEqual(await view(), "1: one\n2: \n3: three")
      assert.strictEqual(await view([2, 3]), "2: \n3: three")
      assert.strictEqual(await view([3, -1]), "3: three")
      for (const range of [
        [0, 1],
        [4, -1],
        [3, 2],
      ]) {
        assert.match(await message(view(range)), /^Invalid view_range .* the file has 3 lines\.$/)
      }
      assert.strictEqual(
        await edit({ command: "view", path: "." }),
        "node_modules/\nsrc/\nsrc/a.txt\nsrc/deep/",
      )
      const empty = await edit({ command: "view", path: "src/deep/er/a.txt" })
      assert.strictEqual(empty, "The file is empty.")
    }))

  it("says which part of a long file it does not show", () =>
    withTools(
      async ({ edit }) => {
        await edit({ command: "create", path: "long", file_text: "x".repeat(100) })
        const text = await edit({ command: "view", path: "long" })
        assert.match(String(text), /^1: x{17}\n\[83 more characters are not shown\./)
      },
      { maxCharacters: 20 },
    ))

  it("replaces a unique text, and refuses others in the words of Anthropic's documentation", () =>
    withTools(async ({ edit, sandbox }) => {
      await sandbox.files.write("a.sh", "aaa $1 b b b\n", { mode: 0o755 })
      const replace = (old_str: string, new_str?: string, path = "a.sh") =>
        edit({ command: "str_replace", path, old_str, ...(new_str !== undefined && { new_str }) })
      assert.strictEqual(
        await message(replace("nothing", "")),
        "No match found for replacement. Please check your text and try again.",
      )
      const several = (count: number) =>
        `Found ${count} matches for replacement text. Please provide more context to make a unique match.`
      assert.strictEqual(await message(replace("b", "c")), several(3))
      // Places that overlap are several as well.
      assert.strictEqual(await message(replace("aa", "c")), several(2))
      assert.strictEqual(await message(replace("a", "b", "none")), "File not found")
      assert.strictEqual(await message(edit({ command: "view", path: "none" })), "File not found")
      assert.match(await message(replace("")), /input of str_replace_based_edit_tool/)
      assert.strictEqual(
        await replace("$1", "$& $$"),
        "Successfully replaced text at exactly one location.",
      )
      await replace(" b b b")
      assert.strictEqual(await sandbox.files.readText("a.sh"), "aaa $& $$\n")
      assert.strictEqual((await sandbox.files.stat("a.sh")).mode & 0o777, 0o755)
    }))

  it("inserts after a line, and loses no concurrent edit", () =>
    withTools(async ({ edit, sandbox }) => {
      const insert = (insert_line: number, insert_text: string, path = "a") =>
        edit({ command: "insert", path, insert_line, insert_text })
      await edit({ command: "create", path: "a", file_text: "1\n2\n" })
      await insert(2, "4\n")
      await Promise.all([insert(0, "0"), insert(3, "3\n")])
      assert.strictEqual(await sandbox.files.readText("a"), "0\n1\n2\n3\n4\n")
      assert.strictEqual(
        await message(insert(6, "x")),
        "Invalid insert_line 6: the file has 5 lines.",
      )
      await edit({ command: "create", path: "b", file_text: "" })
      await edit({ command: "insert", path: "b", insert_line: 0, new_str: "x\n" })
      assert.strictEqual(await sandbox.files.readText("b"), "x\n")
    }))

  it("refuses an invalid command", () =>
    withTools(async ({ edit }) => {
      for (const input of [
        { command: "undo_edit", path: "a" },
        { command: "view" },
        "view",
        null,
      ]) {
        assert.match(await message(edit(input)), /input of str_replace_based_edit_tool/)
      }
    }))
})

describe("Anthropic's bash tool", () => {
  it("keeps its folder and variables until it is restarted", () =>
    withTools(async ({ bash }) => {
      assert.strictEqual(await bash({ command: "mkdir in; cd in; NAME=ada" }), "")
      assert.strictEqual(await bash({ command: 'basename "$PWD"; echo "$NAME"' }), "in\nada")
      assert.strictEqual(await bash({ restart: true }), "The shell was restarted.")
      assert.strictEqual(await bash({ command: 'echo "[$NAME]"' }), "[]")
      assert.strictEqual(await bash({ command: 'echo "[$NAME]"', restart: true }), "[]")
    }))

  it("marks a failed command as an error, with its output", () =>
    withTools(async ({ bash }) => {
      assert.strictEqual(
        await message(bash({ command: "echo out; echo err >&2; false" })),
        "out\nerr\n[exit code 1]",
      )
      assert.strictEqual(await message(bash({})), "command is required.")
      assert.match(await message(bash({ command: 1 })), /input of bash/)
    }))

  it("reports a kill at the time limit", async () => {
    await using sandboxes = createSandboxes({ driver: memory(), execTimeout: 1000 })
    const [tool] = anthropicSandbox(await sandboxes.create())
    assert.match(await message(calling(tool)({ command: "sleep 600" })), /time limit/)
  })

  it("opens its shell on the next call when it could not be opened before", () =>
    withTools(async ({ bash, sandbox }) => {
      await sandbox.stop()
      await rejects(bash({ command: "true" }))
      await sandbox.start()
      assert.strictEqual(await bash({ command: "echo on" }), "on")
    }))
})
