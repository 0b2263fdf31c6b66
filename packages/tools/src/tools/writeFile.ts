import { InvalidInput } from "@cordon/core"
import { Effect, Schema } from "effect"
import {
  count,
  type Encoding,
  encodingField,
  number,
  optional,
  sandboxField,
  text,
} from "../fields.ts"
import { defineTool } from "../Tool.ts"

const input = Schema.Struct({
  sandbox: sandboxField,
  path: text("Absolute, or relative to the sandbox's working directory."),
  content: text("The whole new content."),
  encoding: optional(
    encodingField.annotate({ description: "How content is written: utf8 (default) or base64." }),
  ),
  mode: optional(
    Schema.String.pipe(
      Schema.check(
        Schema.isPattern(/^0?[0-7]{3}$/u, { expected: 'permissions in octal such as "0755"' }),
      ),
    ).annotate({
      description:
        'Permissions in octal, such as "0755" for a script. By default "0644" for a new file, unchanged for an existing one.',
    }),
  ),
})

const output = Schema.Struct({
  path: text("The absolute path that was written."),
  bytes: count("Its size now."),
})

const decodeBase64 = Schema.decodeEffect(Schema.Uint8ArrayFromBase64)

const bytesOf = (content: string, encoding: Encoding | undefined) =>
  encoding === "base64"
    ? // Encoders often break lines.
      Effect.mapError(
        decodeBase64(content.replace(/\s/g, "")),
        () =>
          new InvalidInput({
            subject: "input for sandbox_write_file",
            issue:
              '"content": it is not valid base64. Encode it again, or write text with "encoding": "utf8".',
          }),
      )
    : Effect.succeed(content)

export const sandboxWriteFile = defineTool({
  name: "sandbox_write_file",
  title: "Write file",
  description: `Write a file in a sandbox: a new one, or in place of an old one. The file is replaced whole or, on an error, not at all; parent folders are made. To change a part of a large file or to append, use sandbox_exec (sed, patch, cat >>). For files of the user use sandbox_upload.
Example: {"sandbox": "web-1", "path": "src/run.sh", "content": "#!/bin/sh\\necho hi\\n", "mode": "0755"}`,
  annotations: { readOnly: false, destructive: true, idempotent: true, openWorld: false },
  input,
  output,
  handler: Effect.fnUntraced(function* (
    { sandbox: reference, path, content, encoding, mode },
    session,
  ) {
    const written = yield* bytesOf(content, encoding)
    const sandbox = yield* session.get(reference)
    yield* sandbox.files.write(path, written, {
      mode: mode === undefined ? undefined : Number.parseInt(mode, 8),
    })
    const bytes = Buffer.byteLength(written)
    return { path: yield* sandbox.files.resolve(path), bytes }
  }),
  render: ({ path, bytes }) => `Wrote ${number(bytes)} bytes to ${path}`,
})
