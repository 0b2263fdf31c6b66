import { Schema } from "effect"
import { wellFormed } from "./Text.ts"

// Engines keep them as labels, and tell all of them with each list.
const maxTags = 32
const namePattern = /^[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$/
const maxValue = 256

/**
 * Labels of one's own, by name: at most 32. Names have 1 to 63 letters, digits, dots, hyphens,
 * underscores and slashes, values up to 256 characters on one line. They are no secrets: whoever uses the
 * engine sees them.
 */
export const Tags = Schema.Record(
  Schema.String,
  Schema.String.pipe(
    Schema.check(
      Schema.isMaxLength(maxValue),
      Schema.isPattern(/^\P{Cc}*$/u, { expected: "text on one line" }),
      wellFormed,
    ),
  ),
).pipe(
  // Not a schema of the key: a record passes over keys that do not fit, where these must be refused.
  Schema.check(
    Schema.makeFilter((tags) => Object.keys(tags).every((name) => namePattern.test(name)), {
      expected: "tags with names of letters, digits, dots, hyphens, underscores and slashes",
    }),
    Schema.makeFilter((tags) => Object.keys(tags).length <= maxTags, {
      expected: `at most ${maxTags} tags`,
    }),
  ),
)
export type Tags = typeof Tags.Type

/** Whether a sandbox has all of these tags. */
export const hasTags = (
  sandbox: { readonly tags?: Tags | undefined },
  wanted: Tags | undefined = {},
): boolean => Object.entries(wanted).every(([name, value]) => sandbox.tags?.[name] === value)
