import { Predicate, Result, Schema, SchemaIssue } from "effect"
import { callSite } from "../errors/callSite.ts"
import { withCallSite } from "../errors/TaggedError.ts"
import { InvalidInput } from "../errors.ts"

/** A schema that input can be held against. */
export type InputSchema = Schema.Constraint & {
  /** The services that decoding takes: none, so that input can be checked at once. */
  readonly DecodingServices: never
}

const unknownOption = "no such option"

const format = SchemaIssue.makeFormatterStandardSchemaV1({
  leafHook: (issue) => {
    if (issue._tag === "UnexpectedKey") return unknownOption
    return issue._tag === "MissingKey" ? "it is required" : SchemaIssue.defaultLeafHook(issue)
  },
})

const typeOf = (value: unknown) => {
  if (value === null) return "null"
  return Array.isArray(value) ? "an array" : value === undefined ? "nothing" : `a ${typeof value}`
}

const at = (value: unknown, path: ReadonlyArray<PropertyKey>): unknown =>
  path.reduce<unknown>(
    (inner, key) => (Predicate.hasProperty(inner, key) ? inner[key] : undefined),
    value,
  )

/** The schemas of the fields that an object has at a place in what a schema describes. */
const fieldsAt = (schema: unknown, path: ReadonlyArray<PropertyKey>): unknown => {
  const [key, ...rest] = path
  if (Predicate.hasProperty(schema, "fields")) {
    return key === undefined ? schema.fields : fieldsAt(at(schema.fields, [key]), rest)
  }
  if (Predicate.hasProperty(schema, "schema")) return fieldsAt(schema.schema, path)
  if (!Predicate.hasProperty(schema, "members") || !Array.isArray(schema.members)) return undefined
  return schema.members
    .map((member) => fieldsAt(member, path))
    .find((fields) => fields !== undefined)
}

/** How many letters to change, add or leave out to make one word the other. */
const distance = (one: string, other: string): number => {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (const [i, letter] of [...one].entries()) {
    const next = [i + 1]
    for (let j = 0; j < other.length; j++) {
      const changed = (row[j] ?? 0) + (letter === other[j] ? 0 : 1)
      next.push(Math.min(changed, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1))
    }
    row = next
  }
  return row[other.length] ?? 0
}

const unknown = (name: string, known: ReadonlyArray<string>) => {
  const short = name.slice(0, 60)
  const near = known
    .map((option) => ({ option, far: distance(short.toLowerCase(), option.toLowerCase()) }))
    .sort((one, other) => one.far - other.far)[0]
  const hint =
    near !== undefined && near.far <= Math.max(2, short.length / 3)
      ? ` Did you mean ${JSON.stringify(near.option)}?`
      : ""
  const all = known.length === 0 ? "" : ` There are: ${known.join(", ")}.`
  return `there is no option ${JSON.stringify(short)}.${hint}${all}`
}

/** What is wrong with input, without repeating values: they may be secrets. */
export const inputProblem = (
  subject: string,
  schema: InputSchema,
  input: unknown,
): InvalidInput | undefined => {
  const result = Schema.decodeUnknownResult(schema)(input, {
    errors: "first",
    onExcessProperty: "error",
  })
  if (Result.isSuccess(result)) return undefined
  const [first] = format(result.failure.issue).issues
  const path = (first?.path ?? []).map((part) => (typeof part === "object" ? part.key : part))
  const within = (keys: ReadonlyArray<PropertyKey>) =>
    keys.length === 0 ? subject : `${subject} (${keys.map(String).join(".").slice(0, 80)})`
  const message = `${first?.message}`.replaceAll(" | undefined", "")
  if (message === unknownOption) {
    const parent = path.slice(0, -1)
    const known = Object.keys(fieldsAt(schema, parent) ?? {})
    return new InvalidInput({
      subject: within(parent),
      issue: unknown(String(path.at(-1)), known),
    })
  }
  const got = /^Expected (?!.* (?:that|of) )/.test(message)
    ? `, but it is ${typeOf(at(input, path))}`
    : ""
  return new InvalidInput({ subject: within(path), issue: `${message}${got}` })
}

/**
 * Refuses what a program must not give: an option that does not exist, by name and with those that
 * do, or a value of another kind. Throws at once, with the line of the program.
 *
 * @param subject what it is, for the error: `options of docker()`
 */
export const checkInput = (subject: string, schema: InputSchema, input: unknown): void => {
  const problem = inputProblem(subject, schema, input)
  if (problem !== undefined) throw withCallSite(problem, callSite(checkInput).frames())
}

/** An object of which each part may be left out, but for those that are required. */
export const optionsOf = (
  fields: Readonly<Record<string, InputSchema>>,
  required: Readonly<Record<string, InputSchema>> = {},
): InputSchema => {
  const optional = Object.entries(fields).map(
    ([name, field]) => [name, Schema.optional(field)] as const,
  )
  return Schema.Struct({ ...Object.fromEntries(optional), ...required })
}

/**
 * The names of options, all of those that the type has: what they hold is looked at where it is used.
 *
 * @example
 * import { optionNames } from "@cordon/core"
 * import type { MemoryOptions } from "@cordon/driver-memory"
 *
 * const shape = optionNames<MemoryOptions>({ images: true, maxFileBytes: true })
 */
export const optionNames = <Options extends object>(
  names: Readonly<Record<keyof Required<Options>, true | InputSchema>>,
): InputSchema =>
  optionsOf(
    Object.fromEntries(
      Object.entries<true | InputSchema>(names).map(([name, field]) => [
        name,
        field === true ? Schema.Unknown : field,
      ]),
    ),
  )
