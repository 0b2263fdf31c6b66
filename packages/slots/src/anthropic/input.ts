import { invalidInput } from "@cordon/core"
import { Result, Schema } from "effect"

/** Decodes a model's input. Unknown fields are ignored. Throws `InvalidInput`. */
export const inputOf = <S extends Schema.Constraint & { readonly DecodingServices: never }>(
  tool: string,
  schema: S,
  input: unknown,
): S["Type"] => {
  const decoded = Schema.decodeUnknownResult(schema)(input)
  if (Result.isSuccess(decoded)) return decoded.success
  throw invalidInput(`input of ${tool}`)(decoded.failure)
}
