import type { BetaRunnableTool } from "@anthropic-ai/sdk/lib/tools/BetaRunnableTool"
import { ToolError } from "@anthropic-ai/sdk/lib/tools/ToolError"
import { Schema } from "effect"
import { linesOf } from "../shared/lines.ts"
import { countOf } from "./editor.ts"
import { makeQueue } from "./queue.ts"
import { type Abortable, type SessionSandbox, sessionTool } from "./sessionTool.ts"

const path = Schema.NonEmptyString

const Read = Schema.Struct({
  file_path: path,
  view_range: Schema.optional(Schema.Tuple([Schema.Int, Schema.Int])),
})
const Write = Schema.Struct({ file_path: path, content: Schema.String })
const Edit = Schema.Struct({
  file_path: path,
  old_string: Schema.NonEmptyString,
  new_string: Schema.String,
  replace_all: Schema.optional(Schema.Boolean),
})

const text = { type: "string" }

/** The tools `read`, `write` and `edit`. Of two edits that are made at once none is lost. */
export const fileTools = (
  sandbox: SessionSandbox,
  // The same value as in the SDK.
  maxFileBytes: number | null = 256 * 1024,
): Array<BetaRunnableTool<unknown>> => {
  const inTurn = makeQueue()
  const read = async (path: string, options: Abortable) => {
    const { files } = await sandbox()
    const { size } = await files.stat(path, options)
    if (maxFileBytes !== null && size > maxFileBytes) {
      throw new ToolError(`${path} is ${size} bytes, exceeds ${maxFileBytes}-byte limit.`)
    }
    return await files.readText(path, options)
  }

  return [
    sessionTool(
      "read",
      "Read a UTF-8 text file relative to the workdir.",
      {
        file_path: text,
        view_range: {
          type: "array",
          items: { type: "integer" },
          description: "[start_line, end_line] 1-indexed inclusive",
        },
      },
      ["file_path"],
      Read,
      async ({ file_path, view_range }, options) =>
        linesOf(await read(file_path, options), {
          startLine: view_range?.[0],
          endLine: view_range !== undefined && view_range[1] > 0 ? view_range[1] : undefined,
        }),
    ),
    sessionTool(
      "write",
      "Write a UTF-8 text file relative to the workdir, creating parent directories as needed.",
      { file_path: text, content: text },
      ["file_path", "content"],
      Write,
      ({ file_path, content }, options) =>
        inTurn(async () => {
          await (await sandbox()).files.write(file_path, content, options)
          return `wrote ${Buffer.byteLength(content)} bytes to ${file_path}`
        }),
    ),
    sessionTool(
      "edit",
      "Replace old_string with new_string in a file. old_string must be unique unless replace_all.",
      { file_path: text, old_string: text, new_string: text, replace_all: { type: "boolean" } },
      ["file_path", "old_string", "new_string"],
      Edit,
      ({ file_path, old_string, new_string, replace_all = false }, options) =>
        inTurn(async () => {
          const before = await read(file_path, options)
          const pieces = before.split(old_string)
          const count = replace_all ? pieces.length - 1 : countOf(before, old_string)
          if (count === 0) throw new ToolError(`edit: old_string not found in ${file_path}`)
          if (count > 1 && !replace_all) {
            throw new ToolError(
              `edit: old_string appears ${count} times in ${file_path} (must be unique)`,
            )
          }
          await (await sandbox()).files.write(file_path, pieces.join(new_string), options)
          return `edited ${file_path} (${count} replacement(s))`
        }),
    ),
  ]
}
