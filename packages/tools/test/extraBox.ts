import { memory } from "@cordon/driver-memory"
import { assert } from "@effect/vitest"
import { createTools, type ExtraToolName } from "../src/index.ts"

const extra = ["edit", "patch", "glob", "grep", "processes", "ports", "shell"] as const

/** A sandbox on the memory driver with all tools. */
export const openBox = async () => {
  const toolset = createTools({ driver: memory(), extra })
  await toolset.byName.sandbox_create.execute({ name: "box" })
  const sandbox = await toolset.sandboxes.get("box")
  const call = (name: ExtraToolName, input: object) =>
    toolset.byName[name].execute({ sandbox: "box", ...input })
  return {
    toolset,
    sandbox,
    call,
    /** Calls a tool that must succeed. */
    ok: async (name: ExtraToolName, input: object) => {
      const result = await call(name, input)
      if (!result.ok) return assert.fail(result.text)
      const output: Record<string, unknown> & { readonly text: string } = {
        ...result.output,
        text: result.text,
      }
      return output
    },
    /** Calls a tool that must fail, with a message that is fit for a model. */
    failed: async (name: ExtraToolName, input: object, tag: string, message: RegExp) => {
      const result = await call(name, input)
      if (result.ok) return assert.fail(`it succeeded: ${result.text}`)
      assert.strictEqual(result.error.tag, tag, result.text)
      assert.match(result.text, message)
      assert.notInclude(result.text, "\n")
      assert.isBelow(result.text.length, 1000)
    },
    [Symbol.asyncDispose]: toolset.close,
  }
}
