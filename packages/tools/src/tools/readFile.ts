import { InvalidInput, type SandboxFiles } from "@cordon/core"
import { Effect, Schema, Stream } from "effect"
import { BinaryFile, PictureUnfit } from "../errors.ts"
import {
  count,
  type Encoding,
  encodingField,
  number,
  optional,
  sandboxField,
  text,
} from "../fields.ts"
import { LineWindow } from "../LineWindow.ts"
import { pictureHead, pictureLimit, pictureType, unfitPicture } from "../picture.ts"
import { showing } from "../shown.ts"
import { defineTool } from "../Tool.ts"
import { decodeText, strayBytes, wholeLength } from "../utf8.ts"

/** Characters of content that one call returns. */
export const readLimit = 30_000

// A multiple of 3, so that the parts of a file add up to the base64 of the whole.
const base64Bytes = (readLimit / 4) * 3

/** Up to this size a file is read to its end, only to tell how many lines it has. */
const countLinesUpTo = 4 * 1024 * 1024

const { optionalKey } = Schema

const line = (description: string) =>
  Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(1))).annotate({ description })

const input = Schema.Struct({
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
type Input = (typeof input)["Type"]

const output = Schema.Struct({
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
type Output = (typeof output)["Type"]

const refuse = (issue: string) =>
  new InvalidInput({ subject: "input for sandbox_read_file", issue })

const problemOf = ({ encoding, start_line, end_line, offset, length }: Input) => {
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

/** Either lines or bytes of a file, with what there is to say about them. */
type Part = Omit<Output, "path" | "size" | "encoding">

const readLines = Effect.fnUntraced(function* (
  files: SandboxFiles,
  { path, start_line, end_line }: Input,
  size: number,
) {
  const start = start_line ?? 1
  const window = new LineWindow(start, end_line ?? Number.POSITIVE_INFINITY, readLimit)
  let ended = true
  yield* Stream.runForEachWhile(files.stream(path), (chunk) =>
    Effect.sync(() => {
      window.push(chunk)
      ended = !window.done || size <= countLinesUpTo
      return ended
    }),
  )
  const total = window.linesSeen
  if (ended && start > Math.max(1, total)) {
    return yield* refuse(`"start_line" is ${start}, but the file has ${number(total)} lines.`)
  }
  const { bytes, lines, cut } = window.result
  const shown = bytes.subarray(0, cut === "line" ? wholeLength(bytes) : bytes.length)
  const content = decodeText(shown)
  if (content === undefined) return yield* new BinaryFile({ path, size })
  const last = start + lines - 1
  const totals = ended ? { total_lines: total } : {}
  const of = ended ? `${number(total)} lines` : `${number(size)} bytes`
  const reached = {
    content,
    start_line: lines === 0 ? 0 : start,
    end_line: Math.max(0, last),
    ...totals,
  }
  if (cut === "line") {
    const next_offset = window.offset + shown.length
    const part: Part = {
      ...reached,
      truncated: true,
      next_offset,
      note: `Line ${start} is longer than ${number(readLimit)} bytes: only its beginning is shown. Read on with offset ${next_offset}, or go to the next line with start_line ${start + 1}.`,
    }
    return part
  }
  const more = ended ? last < total : true
  const part: Part = {
    ...reached,
    truncated: cut === "lines",
    ...(more
      ? {
          next_line: last + 1,
          note: `${start === last ? `Line ${last}` : `Lines ${start}-${last}`} of ${of}${cut === "lines" ? `, cut at ${number(readLimit)} bytes` : ""}. Read on with start_line ${last + 1}.`,
        }
      : {}),
  }
  return part
})

const readBytes = Effect.fnUntraced(function* (
  files: SandboxFiles,
  { path, offset = 0, length = Number.POSITIVE_INFINITY }: Input,
  encoding: Encoding,
  size: number,
) {
  const most = encoding === "utf8" ? readLimit : base64Bytes
  // No character of UTF-8 is longer than 4 bytes: each call gets ahead.
  const wanted = Math.max(Math.min(length, most), encoding === "utf8" ? 4 : 1)
  // One more tells whether there is more.
  const read = Buffer.concat(
    yield* Stream.runCollect(files.stream(path, { offset, length: wanted + 1 })),
  )
  if (read.length === 0 && offset > 0) {
    return yield* refuse(`"offset" is ${offset}, but the file has ${number(size)} bytes.`)
  }
  const more = read.length > wanted
  const bytes = read.subarray(0, wanted)
  const from = encoding === "utf8" && offset > 0 ? strayBytes(bytes) : 0
  const to = encoding === "utf8" && more ? wholeLength(bytes) : bytes.length
  const shown = bytes.subarray(from, to)
  const content = encoding === "base64" ? shown.toString("base64") : decodeText(shown)
  if (content === undefined) return yield* new BinaryFile({ path, size })
  const next_offset = offset + to
  const part: Part = {
    content,
    offset: offset + from,
    truncated: more && length > most,
    ...(more
      ? {
          next_offset,
          note: `Bytes ${offset + from} to ${next_offset - 1} of ${number(size)}. Read on with offset ${next_offset}.`,
        }
      : {}),
  }
  return part
})

/** A picture that is to be shown as one; undefined where the file is none. */
const readPicture = Effect.fnUntraced(function* (files: SandboxFiles, path: string, size: number) {
  const bytes = (length: number) =>
    Effect.map(Stream.runCollect(files.stream(path, { length })), (all) => Buffer.concat(all))
  if (size < pictureHead) return undefined
  const mediaType = pictureType(yield* bytes(pictureHead))
  if (mediaType === undefined) return undefined
  // One more tells whether it has grown meanwhile.
  const whole = size > pictureLimit ? undefined : yield* bytes(pictureLimit + 1)
  const reason =
    whole === undefined || whole.length > pictureLimit
      ? `it has ${number(size)} bytes, and a model can be shown ${number(pictureLimit)} at most. Make a smaller one`
      : unfitPicture(mediaType, whole)
  if (whole === undefined || reason !== undefined) {
    return yield* new PictureUnfit({ path, reason: reason ?? "it changed while it was read" })
  }
  const picture = { type: "image", mediaType, data: whole.toString("base64") } as const
  return { picture, size: whole.length }
})

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
