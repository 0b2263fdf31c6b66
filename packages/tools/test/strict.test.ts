import { memory } from "@cordon/driver-memory"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schema } from "effect"
import { createTools, sandboxTools } from "../src/index.ts"
import { nullableSchemaOf } from "../src/strict.ts"

const tools = Object.values(sandboxTools)

/** What OpenAI's strict mode and Anthropic's know of JSON Schema, both. */
const known = ["type", "description", "enum", "anyOf", "items"]
const ofObjects = ["properties", "required", "additionalProperties"]

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** What breaks a rule of strict mode. */
const broken = (schema: unknown, path: string): ReadonlyArray<string> => {
  if (!isObject(schema)) return [`${path} is no schema`]
  const own = Object.keys(schema)
  const object = schema["type"] === "object"
  const properties = isObject(schema["properties"]) ? schema["properties"] : {}
  const { anyOf, items, required, additionalProperties } = schema
  return [
    ...own
      .filter((key) => !known.includes(key) && !(object && ofObjects.includes(key)))
      .map((key) => `${path} has ${key}`),
    ...(object && additionalProperties !== false ? [`${path} is open`] : []),
    ...(object && JSON.stringify(required) !== JSON.stringify(Object.keys(properties))
      ? [`${path} does not require all of its fields`]
      : []),
    ...(own.includes("type") || own.includes("anyOf") ? [] : [`${path} has no type`]),
    ...(Array.isArray(schema["type"]) ? [`${path} has several types`] : []),
    ...Object.entries(properties).flatMap(([name, field]) => broken(field, `${path}.${name}`)),
    ...(items === undefined ? [] : broken(items, `${path}[]`)),
    ...(Array.isArray(anyOf) ? anyOf.flatMap((choice, n) => broken(choice, `${path}|${n}`)) : []),
  ]
}

describe.each(tools)("the strict schema of $name", (tool) => {
  it("follows the rules of strict modes, and requires every field", () => {
    assert.deepStrictEqual(broken(tool.strictInputSchema, tool.name), [])
    assert.deepStrictEqual(
      Object.keys(tool.strictInputSchema.properties),
      Object.keys(tool.inputSchema.properties),
    )
    assert.isUndefined(tool.strictInputSchema.properties["anyOf"])
  })

  it("allows null for optional fields, and for no others", () => {
    for (const schema of [tool.strictInputSchema, nullableSchemaOf(tool.inputSchema)]) {
      for (const [name, field] of Object.entries(schema.properties)) {
        const nullable = JSON.stringify(field).includes('{"type":"null"}')
        assert.strictEqual(nullable, !tool.inputSchema.required.includes(name), name)
        assert.match(JSON.stringify(field), /^\{"description":"[^"]|"description":"[^"]/, name)
      }
    }
  })

  it.effect("accepts null for an optional field, and for no other", () =>
    Effect.gen(function* () {
      const codec: Schema.Codec<unknown, unknown> = tool.input
      const decode = Schema.decodeUnknownEffect(codec, { onExcessProperty: "error" })
      const names = Object.keys(tool.inputSchema.properties)
      const { required } = tool.inputSchema
      const needed = Object.fromEntries(
        required.map((name) => [name, name === "action" ? "stop" : "x"]),
      )
      const nulls = Object.fromEntries(
        names.filter((name) => !required.includes(name)).map((name) => [name, null]),
      )
      assert.deepStrictEqual(yield* decode({ ...needed, ...nulls }), yield* decode(needed))
      for (const name of required) {
        yield* Effect.flip(decode({ ...needed, [name]: null }))
      }
    }),
  )
})

describe("a call by the strict schema", () => {
  it("accepts variables as a list of names and values", async () => {
    await using toolset = createTools({ driver: memory() })
    const { sandbox_create, sandbox_exec } = toolset.byName
    const created = await sandbox_create.execute({ name: "box", image: null, memory: null })
    assert.isTrue(created.ok, created.text)
    const env = [
      { name: "A", value: "1" },
      { name: "B", value: "2" },
    ]
    const input = { sandbox: "box", command: "echo $A$B", cwd: null, stdin: null, env }
    assert.strictEqual((await sandbox_exec.execute(input)).text, "12")
    const wrong = await sandbox_exec.execute({ ...input, env: [{ name: "A" }] })
    assert.include(wrong.text, '"env"')
  })
})
