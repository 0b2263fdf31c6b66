import { execFileSync } from "node:child_process"
import { assert, describe, it } from "@effect/vitest"

/** The packages that our own files import when an entry point is loaded, as Node sees it. */
const imported = (entry: string): Array<string> => {
  const program = `
    import { registerHooks } from "node:module"
    const names = new Set()
    registerHooks({
      resolve(specifier, context, next) {
        const ours = (context.parentURL ?? "").includes("/packages/tools/src/")
        const name = /^(@[^/]+\\/)?[^/.:]+(?=$|\\/)/.exec(specifier)?.[0]
        if (ours && name !== undefined) names.add(name)
        return next(specifier, context)
      },
    })
    await import(${JSON.stringify(entry)})
    console.log(JSON.stringify([...names].sort()))`
  const args = ["--conditions=@cordon/source", "--input-type=module", "--eval", program]
  const output = execFileSync(process.execPath, args, { cwd: import.meta.dirname })
  return JSON.parse(output.toString("utf8"))
}

describe("an entry point of @cordon/tools", () => {
  it.each([
    ["", []],
    ["/ai-sdk", ["ai"]],
    // These hand over plain objects: they need the SDK's types alone.
    ["/anthropic", []],
    ["/effect-ai", []],
    ["/langchain", ["@langchain/core"]],
    ["/mastra", ["@mastra/core"]],
    ["/openai", []],
    ["/openai-agents", ["@openai/agents"]],
  ])("imports no other framework: @cordon/tools%s", (path, frameworks) => {
    assert.sameMembers(imported(`@cordon/tools${path}`), ["@cordon/core", "effect", ...frameworks])
  })
})
