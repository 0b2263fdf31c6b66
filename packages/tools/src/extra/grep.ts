import { posix } from "node:path"
import { type FileMatch, InvalidInput, type SandboxFiles } from "@cordon/core"
import { Effect, Schema } from "effect"
import { count, number, optional, plural, sandboxField, text } from "../fields.ts"
import { defineTool } from "../Tool.ts"
import { fromWorkdir } from "./glob.ts"
import { alternatives, pathMatcher } from "./globPattern.ts"
import { keepOutput, showKept, thatFit } from "./keptOutput.ts"

const mostShown = 200
const mostFound = 5000
/** Characters of a line that a model gets to read. */
const longestLine = 500

const input = Schema.Struct({
  sandbox: sandboxField,
  pattern: text(
    "A POSIX extended regular expression, as of grep -E; no lookaround, no (?:...). It is matched with each line.",
  ),
  path: optional(
    text("The folder to search with all below it, or one file. Default the working directory."),
  ),
  include: optional(
    text('Only files whose path fits this glob: "*.ts" (in any folder), "src/**/*.{ts,tsx}".'),
  ),
  literal: optional(
    Schema.Boolean.annotate({ description: "Whether pattern is plain text. Default false." }),
  ),
  ignore_case: optional(
    Schema.Boolean.annotate({ description: "Whether case makes no difference. Default false." }),
  ),
  files_only: optional(
    Schema.Boolean.annotate({
      description:
        "Whether only the files that match are listed, with how many lines. Default false.",
    }),
  ),
})
type Input = (typeof input)["Type"]

const output = Schema.Struct({
  matches: Schema.Array(
    Schema.Struct({
      path: text("Relative to the sandbox's working directory where it is in it."),
      line: count("The number of the line; of the first one where files are listed."),
      text: text("The line; a long one is cut. How many lines match where files are listed."),
    }),
  ),
  found: count("How many lines, or files, were found in all."),
  truncated: Schema.Boolean.annotate({ description: "Whether some are missing in matches." }),
  note: Schema.optionalKey(text("What is missing, and where it is.")),
})
type Match = (typeof output)["Type"]["matches"][number]

/** A name as a glob that fits nothing else. */
const literally = (name: string) => name.replace(/[[*?\\]/g, "[$&]")

/** The normalised path, as in matches. `..` stays, since a link may precede it. */
const tidy = (path: string) => path.replace(/\/(\.?\/)+/g, "/").replace(/(?<=.)\/\.?$/, "")

/** The search options for core, and the filter for its matches. */
const searchOf = Effect.fnUntraced(function* (files: SandboxFiles, given: Input) {
  const { path = ".", include } = given
  const root = tidy(yield* files.resolve(path))
  const { kind } = yield* files.stat(path)
  if (kind === "file") {
    const [folder, name] = [posix.dirname(root), posix.basename(root)]
    return {
      path: folder,
      include: literally(name),
      counts: (match: FileMatch) => match.path === root,
    }
  }
  if (include === undefined) return { path: root, counts: () => true }
  const globs = alternatives(include.replace(/^\.?\//, "").replace(/\/$/, "/**"))
  if (globs === undefined) {
    return yield* new InvalidInput({
      subject: "input for sandbox_grep",
      issue: '"include": it has too many alternatives in braces.',
    })
  }
  const fits = pathMatcher(globs)
  const prefix = root === "/" ? 1 : root.length + 1
  const counts = (match: FileMatch) => fits(match.path.slice(prefix))
  const [glob] = globs
  const name = globs.length === 1 && glob !== undefined ? posix.basename(glob) : "**"
  return name === "**" || name === ""
    ? { path: root, counts }
    : { path: root, include: name, counts }
})

const byFile = (matches: ReadonlyArray<Match>): ReadonlyArray<Match> => {
  const files = new Map<string, { readonly line: number; lines: number }>()
  for (const { path, line } of matches) {
    const file = files.get(path) ?? { line, lines: 0 }
    file.lines += 1
    files.set(path, file)
  }
  return [...files].map(([path, { line, lines }]) => ({ path, line, text: plural(lines, "line") }))
}

const show = ({ path, line, text }: Match) => `${path}:${line}: ${text}`

const cutLine = (match: Match): Match =>
  match.text.length <= longestLine
    ? match
    : { ...match, text: `${match.text.slice(0, longestLine)}...` }

export const sandboxGrep = defineTool({
  name: "sandbox_grep",
  title: "Search in files",
  description: `Search the text files of a sandbox for lines that match a pattern. Returns path, line number and line, at most ${mostShown} of them; where there are more, all are in a file that the note names. .git and node_modules and binary files are passed over; symlinks are not followed. Prefer it to grep -r in sandbox_exec. To read around a line use sandbox_read_file with start_line.
Example: {"sandbox": "web-1", "pattern": "function [a-z]+\\\\(", "include": "*.js"}`,
  annotations: { readOnly: true, destructive: false, idempotent: true, openWorld: false },
  input,
  output,
  handler: Effect.fnUntraced(function* (given, session) {
    const sandbox = yield* session.get(given.sandbox)
    const { path, counts, ...include } = yield* searchOf(sandbox.files, given)
    const result = yield* sandbox.files.search(given.pattern, {
      path,
      ...("include" in include ? { include: include.include } : {}),
      regex: given.literal !== true,
      ignoreCase: given.ignore_case === true,
      limit: mostFound,
    })
    const { workdir } = sandbox.info
    const lines = result.matches
      .filter(counts)
      .map((match): Match => ({ ...match, path: fromWorkdir(workdir, match.path) }))
    const all = given.files_only === true ? byFile(lines) : lines
    const matches = thatFit(all.map(cutLine), mostShown, show)
    const shorter = matches.some(({ text }, nth) => text !== all[nth]?.text)
    const cut = matches.length < all.length || shorter
    const kept = cut
      ? yield* keepOutput(session, sandbox, "grep", `${all.map(show).join("\n")}\n`)
      : undefined
    const notes = [
      ...(cut
        ? [
            `${number(matches.length)} of ${number(all.length)} ${given.files_only === true ? "files" : "lines"} are shown${shorter ? ", long lines in part" : ""}. ${showKept(kept)}`,
          ]
        : []),
      ...(result.truncated
        ? [
            `The search ended after ${number(mostFound)} lines: narrow it by path, include or pattern`,
          ]
        : []),
    ]
    return {
      matches,
      found: all.length,
      truncated: notes.length > 0,
      ...(notes.length === 0 ? {} : { note: `${notes.join(". ")}.` }),
    }
  }),
  render: ({ matches, found, note }) =>
    [
      ...(found === 0 ? ["No line matches."] : matches.map(show)),
      ...(note === undefined ? [] : [`[${note}]`]),
    ].join("\n"),
})
