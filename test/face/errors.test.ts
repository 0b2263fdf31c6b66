import { readFileSync } from "node:fs"
import { join } from "node:path"
import { inspect } from "node:util"
import * as core from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import * as tools from "@cordon/tools"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Predicate, Schema } from "effect"
import * as cliErrors from "../../packages/cli/src/init/errors.ts"
import { runProgram } from "./program.ts"

/** Some value that fits a field of an error. */
const sample = (field: Schema.Top) => {
  const literals = "literals" in field && Array.isArray(field.literals) ? field.literals : []
  const reason = { _tag: "NotFound" }
  return [...literals, "memory", 7, true, ["one"], ["memory"], reason].find((value) =>
    Schema.is(Schema.toType(field))(value),
  )
}

interface ErrorClass {
  new (fields: object): Error
  readonly fields: Readonly<Record<string, Schema.Top>>
}

const isErrorClass = (value: unknown): value is ErrorClass =>
  typeof value === "function" && value.prototype instanceof Error && "fields" in value

const exported: Readonly<Record<string, unknown>> = { ...core, ...tools, ...cliErrors }
const classes = Object.entries(exported).flatMap(([name, value]) =>
  isErrorClass(value) ? [{ name, Class: value }] : [],
)

describe("errors", () => {
  it("of every package show their message and fields in the console and in JSON", () => {
    assert.isAbove(classes.length, 35)
    for (const { name, Class } of classes) {
      const { _tag, ...fields } = Class.fields
      const values = Object.fromEntries(
        Object.entries(fields).flatMap(([key, field]) => {
          const value = sample(field)
          // Without a required one the error can't be made.
          return value === undefined ? [] : [[key, value]]
        }),
      )
      const error = new Class(values)
      assert.isAbove(error.message.length, 10, name)
      assert.strictEqual(String(error), `${name}: ${error.message}`)
      const shown = inspect(error)
      assert.isTrue(shown.startsWith(`${name}: ${error.message}\n    at `), shown)
      const json: unknown = JSON.parse(JSON.stringify(error))
      if (!Predicate.isObject(json)) return assert.fail(`${name} is no object in JSON`)
      const { stdout, stderr, ...told } = values
      assert.deepStrictEqual(json, { _tag: name, ...told, message: error.message })
      for (const key of Object.keys(values)) assert.include(shown, `${key}: `, name)
    }
  })

  it("print their message, fields and the line of the user's program", async () => {
    const source = readFileSync(join(import.meta.dirname, "programs/printsErrors.ts"), "utf8")
    const lineOf = (mark: string) =>
      source.split("\n").findIndex((line) => line.endsWith(`// mark: ${mark}`)) + 1
    const { stdout, stderr, code } = await runProgram("printsErrors")
    const [, read = "", run = "", stream = ""] = stdout.split("=== ")
    for (const [shown, mark, tag] of [
      [read, "read", "FileNotFound"],
      [run, "run", "CommandFailed"],
      [stream, "stream", "FileNotFound"],
    ] as const) {
      const [, first = "", second = ""] = shown.split("\n")
      assert.match(first, new RegExp(`^${tag}: .{10}`))
      const frames = shown.split("\n").filter((line) => line.startsWith("    at "))
      assert.include(frames[0], `printsErrors.ts:${lineOf(mark)}:`, second)
      assert.include(shown, `_tag: '${tag}'`)
      assert.include(shown, `text: ${first}`)
      assert.match(shown, new RegExp(`json: {"error":{"_tag":"${tag}",.*"message":"`))
    }
    assert.include(run, "stderr: 'broken")
    assert.notInclude(run.slice(run.indexOf("json: ")), "5ecret")
    // Nobody caught the last one.
    assert.strictEqual(code, 1)
    assert.include(stderr, "CommandFailed: The command ended with exit code 9: broken")
    assert.include(stderr, `printsErrors.ts:${lineOf("run")}:`)
  })

  it("of one failure that ends many calls show each call's own line", async () => {
    const error = new core.EngineUnreachable({ endpoint: "unix:///a.sock", reason: "it is away" })
    const driver = Layer.effect(core.SandboxDriver, Effect.fail(error))
    const sandboxes = core.createSandboxes({ driver })
    const here = () => sandboxes.list().catch((error: Error) => error.stack)
    const there = () => sandboxes.list().catch((error: Error) => error.stack)
    const [one, other] = await Promise.all([here(), there()])
    assert.match(`${one}`, /^EngineUnreachable: .*\n {4}at here .*errors\.test\.ts/)
    assert.match(`${other}`, /^EngineUnreachable: .*\n {4}at there .*errors\.test\.ts/)
    await sandboxes.close()
  })

  it("keep their class, and Node recognises them as errors", async () => {
    await using sandboxes = core.createSandboxes({ driver: memory() })
    const error: unknown = await sandboxes.get("nope").catch((error) => error)
    assert.instanceOf(error, core.SandboxNotFound)
    assert.include(Object.prototype.toString.call(error), "Error")
    assert.deepInclude(error, { _tag: "SandboxNotFound", sandbox: "nope" })
  })
})
