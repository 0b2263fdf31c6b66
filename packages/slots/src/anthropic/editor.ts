import { posix } from "node:path"
import type { BetaRunnableTool } from "@anthropic-ai/sdk/lib/tools/BetaRunnableTool"
import { FileNotFound, PermissionDenied, type PromiseSandbox, TooManyFiles } from "@cordon/core"
import { Schema } from "effect"
import { inputOf } from "./input.ts"
import { makeQueue } from "./queue.ts"

const { Literal, optional } = Schema
const path = Schema.String

const Input = Schema.Union([
  Schema.Struct({
    command: Literal("view"),
    path,
    view_range: optional(Schema.NullOr(Schema.Tuple([Schema.Int, Schema.Int]))),
  }),
  Schema.Struct({ command: Literal("create"), path, file_text: optional(Schema.String) }),
  Schema.Struct({
    command: Literal("str_replace"),
    path,
    old_str: Schema.NonEmptyString,
    new_str: optional(Schema.String),
  }),
  Schema.Struct({
    command: Literal("insert"),
    path,
    insert_line: Schema.Int,
    insert_text: optional(Schema.String),
    // The name of the field in earlier versions of the tool.
    new_str: optional(Schema.String),
  }),
])

interface Abortable {
  readonly signal?: AbortSignal | undefined
}

/** A failure in the words that Anthropic's documentation has for it; others as they are. */
const reworded = (error: unknown, doing: "read" | "write to"): unknown => {
  if (error instanceof FileNotFound) return new Error("File not found")
  if (error instanceof PermissionDenied) {
    return new Error(`Permission denied. Cannot ${doing} file.`)
  }
  return error
}

const read = async ({ files }: PromiseSandbox, path: string, options: Abortable) => {
  try {
    return await files.readText(path, options)
  } catch (error) {
    throw reworded(error, "read")
  }
}

const write = async ({ files }: PromiseSandbox, path: string, text: string, options: Abortable) => {
  try {
    await files.write(path, text, options)
  } catch (error) {
    throw reworded(error, "write to")
  }
}

/** Two levels of a folder, without hidden files and without packages. */
const listed = async ({ files }: PromiseSandbox, path: string, options: Abortable) => {
  const folder = await files.resolve(path, options)
  const entries = await files.list(path, { ...options, depth: 2 }).catch((error: unknown) => {
    if (error instanceof TooManyFiles) return files.list(path, options)
    throw error
  })
  const shown = entries
    .map(({ path, kind }) => `${posix.relative(folder, path)}${kind === "directory" ? "/" : ""}`)
    .filter((name) => !/(?:^|\/)(?:\.|node_modules\/.)/.test(name))
  return shown.length === 0 ? "The folder is empty." : shown.join("\n")
}

/** Lines with their numbers, as the tool's other commands count them. */
const numbered = (text: string, [first, last]: readonly [number, number]) => {
  const lines = text.replace(/\n$/, "").split("\n")
  const end = last === -1 ? lines.length : Math.min(last, lines.length)
  if (first < 1 || first > lines.length || end < first) {
    throw new Error(`Invalid view_range [${first}, ${last}]: the file has ${lines.length} lines.`)
  }
  return lines
    .slice(first - 1, end)
    .map((line, index) => `${first + index}: ${line}`)
    .join("\n")
}

const cut = (text: string, maxCharacters: number) =>
  text.length <= maxCharacters
    ? text
    : `${text.slice(0, maxCharacters)}\n[${text.length - maxCharacters} more characters are not shown. View a part of the file with view_range.]`

const view = async (
  sandbox: PromiseSandbox,
  path: string,
  range: readonly [number, number] | null | undefined,
  options: Abortable,
) => {
  const { kind } = await sandbox.files.stat(path, options).catch((error: unknown) => {
    throw reworded(error, "read")
  })
  if (kind === "directory") return await listed(sandbox, path, options)
  const text = await read(sandbox, path, options)
  return text === "" ? "The file is empty." : numbered(text, range ?? [1, -1])
}

/** How often a text occurs. Overlapping places count, since a replacement there is not unique either. */
export const countOf = (text: string, part: string) => {
  let count = 0
  for (let at = text.indexOf(part); at !== -1; at = text.indexOf(part, at + 1)) count++
  return count
}

const replaced = (text: string, old: string, by: string) => {
  const count = countOf(text, old)
  if (count === 0) {
    throw new Error("No match found for replacement. Please check your text and try again.")
  }
  if (count > 1) {
    throw new Error(
      `Found ${count} matches for replacement text. Please provide more context to make a unique match.`,
    )
  }
  return text.replace(old, () => by)
}

const inserted = (text: string, after: number, more: string) => {
  const lines = text.split("\n")
  const last = text === "" || text.endsWith("\n") ? lines.length - 1 : lines.length
  if (after < 0 || after > last) {
    throw new Error(`Invalid insert_line ${after}: the file has ${last} lines.`)
  }
  if (text === "") return more
  return lines.toSpliced(after, 0, more.replace(/\n$/, "")).join("\n")
}

/** Anthropic's text editor. Its refusals are those that Anthropic's documentation names. */
export const editorTool = (
  sandbox: PromiseSandbox,
  maxCharacters: number,
): BetaRunnableTool<unknown> => {
  const name = "str_replace_based_edit_tool"
  // The calls of one answer run at the same time. Of two edits of a file, neither may be lost.
  const inTurn = makeQueue()
  const edit = (path: string, change: (text: string) => string, options: Abortable) =>
    inTurn(async () => {
      const text = await read(sandbox, path, options)
      await write(sandbox, path, change(text), options)
    })

  return {
    type: "text_editor_20250728",
    name,
    max_characters: maxCharacters,
    parse: (input) => input,
    run: async (given, context) => {
      const input = inputOf(name, Input, given)
      const options = context?.signal ? { signal: context.signal } : {}
      switch (input.command) {
        case "view":
          return cut(await view(sandbox, input.path, input.view_range, options), maxCharacters)
        case "create":
          await inTurn(() => write(sandbox, input.path, input.file_text ?? "", options))
          return `File created successfully at: ${input.path}`
        case "str_replace": {
          const { old_str, new_str = "" } = input
          await edit(input.path, (text) => replaced(text, old_str, new_str), options)
          return "Successfully replaced text at exactly one location."
        }
        case "insert": {
          const { insert_line, insert_text, new_str = "" } = input
          const more = insert_text ?? new_str
          await edit(input.path, (text) => inserted(text, insert_line, more), options)
          return `Successfully inserted text after line ${insert_line}.`
        }
      }
    },
  }
}
