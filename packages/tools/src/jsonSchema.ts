import { type JsonSchema, Schema } from "effect"

/**
 * The JSON Schema (draft 2020-12) of a tool's input or output: self-contained, and closed to
 * properties that it does not name.
 */
export const jsonSchemaOf = (schema: Schema.Constraint): JsonSchema.JsonSchema => {
  const { schema: root, definitions } = Schema.toJsonSchemaDocument(schema, {
    onExcessProperty: "error",
  })
  const whole = Object.keys(definitions).length === 0 ? root : { ...root, $defs: definitions }
  // Bounds that only say "an integer" cost tokens in each call to a model.
  const plain: JsonSchema.JsonSchema = JSON.parse(JSON.stringify(whole), (_, value: unknown) =>
    value === Number.MAX_SAFE_INTEGER || value === Number.MIN_SAFE_INTEGER ? undefined : value,
  )
  return plain
}
