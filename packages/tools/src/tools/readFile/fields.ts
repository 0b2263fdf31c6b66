import { InvalidInput } from "@cordon/core"
import { Schema } from "effect"
import { count, encodingField, optional, sandboxField, text } from "../../fields.ts"

/** Characters of content that one call returns. */
export const readLimit = 30_000

const { optionalKey } = Schema

const line = (description: string) =>
  Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(1))).annotate({ description })

export const input = Schema.Struct({
  sandbox: sandboxField,
  path: text("Absolute, or relative to the sandbox's working directory."),
  encoding: optional(
    encodingField.annotate({ description: "utf8 (default) for text, base64 for anything else." }),
  ),
  start_line: optional(line("First line to read, from 1. Text only.")),
  end_line: optional(line("Last line to read, itself included. Text only.")),
  offset: optional(count("Byte to start at, from 0. Not together with lines.")),
  length: optional(
    Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(1))).annotate({
      description: "Bytes to read at most. Not together with lines.",
    }),
  ),
})
export type Input = (typeof input)["Type"]

export const output = Schema.Struct({
  path: text("The absolute path."),
  content: text("Text as it stands in the file, or base64; empty for a picture that is shown."),
  encoding: encodingField.annotate({ description: "How content is written." }),
  media_type: optionalKey(text("Kind of a picture that is shown, such as image/png.")),
  size: count("Size of the file in bytes."),
  start_line: optionalKey(count("First line in content, where lines were read.")),
  end_line: optionalKey(count("Last line in content, where lines were read.")),
  total_lines: optionalKey(count("Lines of the file, where it was read to its end.")),
  offset: optionalKey(count("Byte of the file that content starts at, where bytes were read.")),
  truncated: Schema.Boolean.annotate({ description: "Whether less came than was asked for." }),
  next_line: optionalKey(count("start_line to read on with.")),
  next_offset: optionalKey(count("offset to read on with.")),
  note: optionalKey(text("What is missing, and how to read on.")),
})
export type Output = (typeof output)["Type"]

/** The error that a call with contradicting or impossible fields gets. */
export const refuse = (issue: string) =>
  new InvalidInput({ subject: "input for sandbox_read_file", issue })

/** What is wrong with fields that contradict each other. */
export const problemOf = ({ encoding, start_line, end_line, offset, length }: Input) => {
  const lines = start_line !== undefined || end_line !== undefined
  const bytes = offset !== undefined || length !== undefined
  if (lines && bytes) return "give either start_line and end_line, or offset and length, not both."
  if (lines && encoding === "base64") {
    return '"start_line" and "end_line" are for text; with base64 give offset and length.'
  }
  if (start_line !== undefined && end_line !== undefined && end_line < start_line) {
    return `"end_line" is ${end_line}, but must not be before "start_line", which is ${start_line}.`
  }
  return undefined
}

/** Either lines or bytes of a file, with notes. */
export type Part = Omit<Output, "path" | "size" | "encoding">
