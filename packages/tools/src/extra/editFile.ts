import { Effect, Schema } from "effect"
import { EditRefused } from "../errors.ts"
import { count, number, optional, plural, sandboxField, text } from "../fields.ts"
import { defineTool } from "../Tool.ts"
import { occurrences } from "./occurrences.ts"
import { stateOf } from "./state.ts"
import { editLimit, hasCrlf, readWhole, toCrlf, tooLarge } from "./textFile.ts"

const input = Schema.Struct({
  sandbox: sandboxField,
  path: text("Absolute, or relative to the sandbox's working directory."),
  old_string: text(
    "The text to replace, exactly as it stands in the file, indentation and line breaks included. It must stand there once: take lines around it along until it does.",
  ),
  new_string: text("The text in its place; an empty one removes it."),
  replace_all: optional(
    Schema.Boolean.annotate({
      description: "Whether each place where old_string stands is replaced. Default false.",
    }),
  ),
})

const output = Schema.Struct({
  path: text("The absolute path of the file."),
  replacements: count("How many places were replaced."),
  lines: Schema.Array(Schema.Int).annotate({
    description: "The lines of the old file where they began, at most the first 10.",
  }),
  bytes: count("The size of the file now."),
})

const mostLines = 10
const mostCounted = 1000

/** The line numbers of some places in a text. */
const linesOf = (whole: string, places: ReadonlyArray<number>) => {
  let line = 1
  let from = 0
  return places.slice(0, mostLines).map((place) => {
    for (let at = whole.indexOf("\n", from); at !== -1 && at < place; ) {
      line += 1
      from = at + 1
      at = whole.indexOf("\n", from)
    }
    return line
  })
}

export const showLines = (lines: ReadonlyArray<number>, more: boolean) =>
  `line${lines.length === 1 ? "" : "s"} ${lines.join(", ")}${more ? " and more" : ""}`

const trimmed = (whole: string) => whole.split("\n").map((line) => line.trim())

/** A hint with the place where the text occurs, ignoring blanks at the start and end of its lines. */
const blanksHint = (whole: string, sought: string): string => {
  const lines = trimmed(sought)
  const [at] = lines.every((line) => line === "")
    ? []
    : occurrences(trimmed(whole), lines, { limit: 1 })
  return at === undefined
    ? "Read the file with sandbox_read_file, and copy the text exactly"
    : `With other blanks it stands at line ${at + 1}: read that with sandbox_read_file, and copy it exactly`
}

const refuse = (path: string, reason: string) => new EditRefused({ path, reason })

/** The places that do not overlap, from the first on. */
const apart = (places: ReadonlyArray<number>, length: number) => {
  let end = 0
  return places.filter((place) => {
    if (place < end) return false
    end = place + length
    return true
  })
}

const problemOf = ({ old_string, new_string }: (typeof input)["Type"]) =>
  old_string === ""
    ? "old_string is empty. Give the text to replace; a new file is written with sandbox_write_file"
    : old_string === new_string
      ? "old_string and new_string are the same: there is nothing to change"
      : undefined

/** The text after the edit, and where in the old one it was changed. */
const edited = Effect.fnUntraced(function* (whole: string, given: (typeof input)["Type"]) {
  const { path, replace_all = false } = given
  const adapt = hasCrlf(whole) ? toCrlf : (part: string) => part
  const [sought, replacement] = [adapt(given.old_string), adapt(given.new_string)]
  const limit = replace_all ? Number.POSITIVE_INFINITY : mostCounted + 1
  const found = occurrences(whole, sought, { limit })
  if (found.length === 0) {
    return yield* refuse(path, `old_string is not in the file. ${blanksHint(whole, sought)}`)
  }
  if (found.length > 1 && !replace_all) {
    const times = found.length > mostCounted ? `more than ${number(mostCounted)}` : found.length
    const where = showLines(linesOf(whole, found), found.length > mostLines)
    return yield* refuse(
      path,
      `old_string is in the file ${times} times (${where}). Include more of the surrounding lines in it, or give "replace_all": true`,
    )
  }
  const places = apart(found, sought.length)
  const length = whole.length + places.length * (replacement.length - sought.length)
  if (length > editLimit) return yield* tooLarge(path, length)
  const parts: Array<string> = []
  let end = 0
  for (const place of places) {
    parts.push(whole.slice(end, place), replacement)
    end = place + sought.length
  }
  return { text: parts.join("") + whole.slice(end), places }
})

export const sandboxEditFile = defineTool({
  name: "sandbox_edit_file",
  title: "Edit file",
  description: `Replace a piece of a text file in a sandbox by another, exactly. Prefer it to sandbox_write_file for changing a file that is there, and to sed: you send only what changes. old_string must be copied exactly (without line numbers) and stand in the file once, else nothing is changed and the error says on which lines it stands. The file is replaced whole or, on an error, not at all; its permissions stay. Read the file before you edit it.
Example: {"sandbox": "web-1", "path": "src/app.js", "old_string": "const port = 80", "new_string": "const port = 8080"}`,
  annotations: { readOnly: false, destructive: true, idempotent: false, openWorld: false },
  input,
  output,
  handler: Effect.fnUntraced(function* (given, session) {
    const { path } = given
    const problem = problemOf(given)
    if (problem !== undefined) return yield* refuse(path, problem)
    const { id, files } = yield* session.get(given.sandbox)
    return yield* Effect.gen(function* () {
      const { text: whole } = yield* readWhole(files, path)
      const { text: changed, places } = yield* edited(whole, given)
      yield* files.write(path, changed)
      return {
        path: yield* files.resolve(path),
        replacements: places.length,
        lines: linesOf(whole, places),
        bytes: Buffer.byteLength(changed),
      }
    }).pipe(stateOf(session).editing(id))
  }),
  render: ({ path, replacements, lines }) =>
    `Replaced ${plural(replacements, "place")} in ${path} (${showLines(lines, replacements > lines.length)}).`,
})
