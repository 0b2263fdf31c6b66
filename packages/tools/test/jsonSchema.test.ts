import { assert, describe, it } from "@effect/vitest"
import { Ajv2020 } from "ajv/dist/2020.js"
import { Arbitrary, type Schema } from "effect"
import { allExtraTools } from "../src/extra.ts"
import { sandboxTools } from "../src/index.ts"

const ajv = new Ajv2020({
  strict: true,
  allErrors: true,
  validateFormats: false,
  allowUnionTypes: true,
})

/** Every schema within a schema, itself included. */
const subschemas = (schema: unknown): ReadonlyArray<Record<string, unknown>> => {
  if (Array.isArray(schema)) return schema.flatMap(subschemas)
  if (typeof schema !== "object" || schema === null) return []
  return [{ ...schema }, ...Object.values(schema).flatMap(subschemas)]
}

const allTools = [...Object.values(sandboxTools), ...Object.values(allExtraTools)]

describe.each(allTools)("the JSON Schemas of $name", (tool) => {
  it("are valid draft 2020-12 objects that need no references", () => {
    for (const schema of [tool.inputSchema, tool.outputSchema]) {
      assert.isTrue(ajv.validateSchema(schema), ajv.errorsText())
      ajv.compile(schema)
      assert.strictEqual(schema["type"], "object")
      assert.notMatch(JSON.stringify(schema), /"\$(?:ref|defs)"/)
      for (const inner of subschemas(schema)) {
        if (inner["type"] !== "object") continue
        assert.isDefined(inner["additionalProperties"])
        assert.notStrictEqual(inner["additionalProperties"], true)
      }
    }
  })

  it("describe every field to the model", () => {
    for (const schema of [tool.inputSchema, tool.outputSchema]) {
      for (const inner of subschemas(schema)) {
        const properties = inner["properties"]
        if (typeof properties !== "object" || properties === null) continue
        for (const [name, field] of Object.entries(properties)) {
          assert.match(JSON.stringify(field), /"description":"[^"]/, name)
        }
      }
    }
  })

  it("accept the example in the description", () => {
    const example = /^Example: (\{.*?\})(?: puts .*)?$/m.exec(tool.description)?.[1]
    if (example === undefined) return assert.include(["sandbox_list", ""], tool.name)
    const validate = ajv.compile(tool.inputSchema)
    assert.isTrue(validate(JSON.parse(example)), JSON.stringify(validate.errors))
  })
})

describe("JSON Schema and Effect Schema", () => {
  for (const tool of Object.values(sandboxTools)) {
    const validateInput = ajv.compile(tool.inputSchema)
    const validateOutput = ajv.compile(tool.outputSchema)
    const input: Schema.Codec<unknown, unknown> = tool.input
    const output: Schema.Codec<unknown, unknown> = tool.output

    it.prop(`agree on inputs of ${tool.name}`, [Arbitrary.schema(input)], ([value]) => {
      assert.isTrue(
        validateInput(value),
        `${JSON.stringify(value)} ${ajv.errorsText(validateInput.errors)}`,
      )
    })

    it.prop(`agree on outputs of ${tool.name}`, [Arbitrary.schema(output)], ([value]) => {
      assert.isTrue(
        validateOutput(value),
        `${JSON.stringify(value)} ${ajv.errorsText(validateOutput.errors)}`,
      )
    })

    it(`both refuse unknown fields of ${tool.name}`, () => {
      assert.isFalse(validateInput({ no_such_field: 1 }))
    })
  }
})

describe("the standard tools", () => {
  it("are eight, with names and descriptions that every API accepts", () => {
    const tools = Object.entries(sandboxTools)
    assert.strictEqual(tools.length, 8)
    for (const [name, tool] of tools) {
      assert.strictEqual(tool.name, name)
      assert.match(name, /^[a-z_]{1,64}$/)
      // OpenAI refuses descriptions of more than 1024 characters.
      assert.isBelow(tool.description.length, 1024, name)
      assert.isAbove(tool.description.length, 100, name)
    }
  })
})
