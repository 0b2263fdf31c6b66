import { Effect } from "effect"
import { number } from "../fields.ts"
import { showing } from "../shown.ts"
import { defineTool } from "../Tool.ts"
import { readBytes } from "./readFile/bytes.ts"
import { input, type Output, output, problemOf, readLimit, refuse } from "./readFile/fields.ts"
import { readLines } from "./readFile/lines.ts"
import { readPicture } from "./readFile/picture.ts"

export const sandboxReadFile = defineTool({
  name: "sandbox_read_file",
  title: "Read file",
  description: `Read a file in a sandbox: text (all of it or some lines), a picture (PNG, JPEG, GIF, WebP) to look at, or any bytes as base64 (of a picture with offset or length). At most ${number(readLimit)} characters come back at once; note, next_line and next_offset then tell how to read on. To find something in a large file use sandbox_exec (grep -n, tail); to list a folder use sandbox_exec (ls -la).
Example: {"sandbox": "web-1", "path": "src/app.js", "start_line": 120, "end_line": 180}`,
  annotations: { readOnly: true, destructive: false, idempotent: true, openWorld: false },
  input,
  output,
  handler: Effect.fnUntraced(function* (input, session) {
    const problem = problemOf(input)
    if (problem !== undefined) return yield* refuse(problem)
    const { path, encoding = "utf8", offset, length } = input
    const { files } = yield* session.get(input.sandbox)
    const { size } = yield* files.stat(path)
    const absolute = yield* files.resolve(path)
    const inParts = [offset, length, input.start_line, input.end_line].some(
      (part) => part !== undefined,
    )
    const shown = inParts ? undefined : yield* readPicture(files, path, size)
    if (shown !== undefined) {
      const { picture } = shown
      const file = { path: absolute, encoding: "base64", size: shown.size } as const
      const output = { ...file, media_type: picture.mediaType, content: "", truncated: false }
      return showing<Output>(output, { pictures: [picture] })
    }
    const byBytes = encoding === "base64" || offset !== undefined || length !== undefined
    const part = yield* byBytes
      ? readBytes(files, input, encoding, size)
      : readLines(files, input, size)
    return { path: absolute, encoding, size, ...part }
  }),
  render: ({ content, note, path, media_type, size }) => {
    if (media_type !== undefined) return `[${path}: ${media_type}, ${number(size)} bytes]`
    if (note === undefined) return content === "" ? "[The file is empty]" : content
    return `${content}${content.endsWith("\n") || content === "" ? "" : "\n"}[${note}]`
  },
})
