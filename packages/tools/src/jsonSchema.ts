import { Predicate, Schema } from "effect"

/** The JSON Schema (draft 2020-12) of an object, typed so that every framework's own type takes it. */
export type ObjectSchema = {
  /** Always `object`. */
  type: "object"
  /** The JSON Schema of each field, by the field's name. */
  properties: Record<string, object>
  /** The names of the fields that must be there. */
  required: Array<string>
  /** Always false: no other fields are taken. */
  additionalProperties: false
}

const isObjectSchema = Schema.is(
  Schema.Struct({
    type: Schema.Literal("object"),
    properties: Schema.Record(Schema.String, Schema.ObjectKeyword),
    required: Schema.mutable(Schema.Array(Schema.String)),
    additionalProperties: Schema.Literal(false),
  }),
)

const isNull = (schema: unknown) => Predicate.hasProperty(schema, "type") && schema.type === "null"

/** A field may be left out: that it may be null as well costs tokens in each call to a model. */
const withoutNull = (value: unknown): unknown => {
  if (!Predicate.hasProperty(value, "anyOf") || !Array.isArray(value.anyOf)) return value
  const { anyOf, ...rest } = value
  const [other, ...others] = anyOf.filter((choice: unknown) => !isNull(choice))
  if (others.length + 1 === anyOf.length) return value
  return others.length > 0 ? { ...rest, anyOf: [other, ...others] } : { ...other, ...rest }
}

/** The JSON Schema of a tool's input or output: self-contained, and closed to other properties. */
export const jsonSchemaOf = (schema: Schema.Constraint): ObjectSchema => {
  const { schema: root } = Schema.toJsonSchemaDocument(schema, { onExcessProperty: "error" })
  // Bounds that only say "an integer" cost tokens in each call to a model.
  const plain: unknown = JSON.parse(
    JSON.stringify({ required: [], ...root }),
    (_, value: unknown) =>
      value === Number.MAX_SAFE_INTEGER || value === Number.MIN_SAFE_INTEGER
        ? undefined
        : withoutNull(value),
  )
  if (!isObjectSchema(plain)) throw new Error("a tool's input and output must each be a struct")
  return plain
}
