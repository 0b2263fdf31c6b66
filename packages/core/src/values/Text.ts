import { Effect, Schema } from "effect"
import { InvalidInput, NotText } from "../errors.ts"

const illFormed = "it has half of a character (a surrogate without its pair)"

/** What is wrong with text that UTF-8 can't carry: it would arrive as other text, or as another's name. */
export const textProblem = (text: string): string | undefined =>
  text.isWellFormed() ? undefined : illFormed

/** Refuses text that UTF-8 can't carry. */
export const wellFormed = Schema.makeFilter((text: string) => text.isWellFormed(), {
  expected: "well-formed Unicode, without a lone surrogate (half of a character)",
})

/** Text as UTF-8, where that is the same text. */
export const encodeText = (
  subject: string,
  text: string,
): Effect.Effect<Uint8Array, InvalidInput> => {
  const issue = textProblem(text)
  return issue === undefined
    ? Effect.succeed(new TextEncoder().encode(text))
    : Effect.fail(
        new InvalidInput({ subject, issue: `${issue}; to write exact bytes, give bytes` }),
      )
}

/** The text that encodes to just these bytes, a byte order mark included. */
export const decodeText = (path: string, bytes: Uint8Array): Effect.Effect<string, NotText> =>
  Effect.try({
    try: () => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes),
    catch: () => new NotText({ path }),
  })
