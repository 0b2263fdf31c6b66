import { InvalidInput } from "@cordon/core"
import { Predicate, type Schema, SchemaIssue } from "effect"
import type { ObjectSchema } from "./jsonSchema.ts"

/** For a model: where two fields are wrong it corrects both at once, but a dozen only confuse. */
const mostProblems = 5

const format = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) =>
    issue._tag === "MissingKey"
      ? "it is required"
      : issue._tag === "UnexpectedKey"
        ? "there is no such field"
        : SchemaIssue.defaultLeafHook(issue),
})

const typeName = (value: unknown) =>
  value === undefined
    ? "nothing"
    : value === null
      ? "null"
      : Array.isArray(value)
        ? "array"
        : typeof value

const valueAt = (input: unknown, path: ReadonlyArray<PropertyKey>) =>
  path.reduce<unknown>(
    (value, key) => (Predicate.hasProperty(value, key) ? value[key] : undefined),
    input,
  )

/** Describes the given value by its type only, since the value may be long or a secret. */
const given = (value: unknown, message: string) => {
  const wrongType =
    /^Expected (?:object|array|boolean|(?:string|number)(?: \| (?:string|number))?)$/
  if (!wrongType.test(message)) return ""
  return `, got ${typeName(value)}`
}

const fieldNames = ({ properties, required }: ObjectSchema) =>
  Object.keys(properties).map((name) => (required.includes(name) ? `${name} (required)` : name))

/** For a call of a tool: see {@link invalidFields}. */
export const invalidToolInput = (tool: string, inputSchema: ObjectSchema, input: unknown) =>
  invalidFields(`input for ${tool}`, inputSchema, input)

/** The error for invalid input: the wrong field, the expected value, and the names of all fields. */
export const invalidFields =
  (subject: string, schema: ObjectSchema, input: unknown) =>
  (error: Schema.SchemaError): InvalidInput => {
    const problems = format(error.issue).issues.map(({ path = [], message: expected }) => {
      // Dropped: the option to send null does not help a model that sent a wrong value.
      const message = expected.replace(/ \| null$/, "")
      const keys = path.map((part) => (typeof part === "object" ? part.key : part))
      const told = `${message}${given(valueAt(input, keys), message)}`
      // A name comes from the model as well: show it short and on one line.
      return keys.length === 0
        ? told
        : `${JSON.stringify(keys.map(String).join(".").slice(0, 60))}: ${told}`
    })
    const shown = problems.slice(0, mostProblems)
    const more =
      problems.length > shown.length ? `; and ${problems.length - shown.length} more` : ""
    const names = fieldNames(schema)
    const fields = names.length === 0 ? "It takes no fields" : `Its fields are: ${names.join(", ")}`
    return new InvalidInput({
      subject,
      issue: `${shown.join("; ")}${more}. ${fields}.`,
    })
  }
