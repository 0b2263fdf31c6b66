import { invalidInput } from "@cordon/core"
import { Result, Schema } from "effect"

/** Input as a model wrote it; what the schema does not know is passed over. Throws `InvalidInput`. */
export const inputOf = <S extends Schema.Constraint & { readonly DecodingServices: never }>(
  tool: string,
  schema: S,
  input: unknown,
): S["Type"] => {
  const decoded = Schema.decodeUnknownResult(schema)(input)
  if (Result.isSuccess(decoded)) return decoded.success
  throw invalidInput(`input of ${tool}`)(decoded.failure)
}
