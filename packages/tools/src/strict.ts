/** Schemas for models that are held to them (strict mode), and what those models send. */
import type { ObjectSchema } from "./jsonSchema.ts"

// The keywords that the strict modes of all providers support. Descriptions also state bounds and
// patterns, and the tool itself checks them.
const kept = ["type", "enum", "description"]

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const isRecord = (schema: unknown): boolean =>
  isObject(schema) && schema["type"] === "object" && isObject(schema["additionalProperties"])

const strictly = (schema: unknown): object => {
  if (!isObject(schema)) return {}
  const plain = Object.fromEntries(Object.entries(schema).filter(([key]) => kept.includes(key)))
  const { anyOf, items, properties, required, additionalProperties } = schema
  if (Array.isArray(anyOf)) return { ...plain, anyOf: anyOf.map(strictly) }
  if (isRecord(schema)) {
    const pair = {
      type: "object",
      properties: { name: { type: "string" }, value: strictly(additionalProperties) },
      required: ["name", "value"],
      additionalProperties: false,
    }
    return { ...plain, type: "array", items: pair }
  }
  if (isObject(properties)) {
    const needed = Array.isArray(required) ? required : []
    return {
      ...plain,
      properties: Object.fromEntries(
        Object.entries(properties).map(([name, field]) => [
          name,
          needed.includes(name) ? strictly(field) : nullable(strictly(field)),
        ]),
      ),
      required: Object.keys(properties),
      additionalProperties: false,
    }
  }
  return items === undefined ? plain : { ...plain, items: strictly(items) }
}

const nullable = (schema: object) => {
  const { description, ...rest } = { description: undefined, ...schema }
  const choices = "anyOf" in rest && Array.isArray(rest.anyOf) ? rest.anyOf : [rest]
  return { ...(description ? { description } : {}), anyOf: [...choices, { type: "null" }] }
}

/**
 * The same input for a strict mode: every field is required, one that may be left out may be null, and
 * names with values are a list of both.
 */
export const strictSchemaOf = (schema: ObjectSchema): ObjectSchema => {
  const { properties } = schema
  const fields = Object.entries(properties).map(([name, field]): [string, object] => [
    name,
    schema.required.includes(name) ? strictly(field) : nullable(strictly(field)),
  ])
  return {
    type: "object",
    properties: Object.fromEntries(fields),
    required: Object.keys(properties),
    additionalProperties: false,
  }
}

/** The same schema, but optional fields may be null: for frameworks that validate before the tool. */
export const nullableSchemaOf = (schema: ObjectSchema): ObjectSchema => ({
  ...schema,
  properties: Object.fromEntries(
    Object.entries(schema.properties).map(([name, field]) => [
      name,
      schema.required.includes(name) ? field : nullable(field),
    ]),
  ),
})

const isPair = (value: unknown): value is { readonly name: string; readonly value: unknown } =>
  isObject(value) && typeof value["name"] === "string" && "value" in value

/** An input as the tool takes it, of one as a strict schema asks for it. */
export const fromStrict = (schema: ObjectSchema, input: unknown): unknown => {
  if (!isObject(input)) return input
  const given = Object.entries(input).filter(([, value]) => value !== undefined)
  const entries = given.map(([name, value]): [string, unknown] => {
    const pairs = Array.isArray(value) && isRecord(schema.properties[name]) ? value : undefined
    if (pairs === undefined || !pairs.every(isPair)) return [name, value]
    return [name, Object.fromEntries(pairs.map((pair) => [pair.name, pair.value]))]
  })
  return Object.fromEntries(entries)
}
