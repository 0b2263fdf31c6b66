import { Effect, Schema } from "effect"
import { sandboxField, text } from "../fields.ts"
import { defineTool } from "../Tool.ts"
import { showTransfer, TransferOutput, transferOutput } from "../transfer.ts"

const input = Schema.Struct({
  sandbox: sandboxField,
  from: text('File or folder in the session\'s files, a relative path; "." is all of them.'),
  to: text(
    "Path in the sandbox, absolute or relative to its working directory: the file's own new path, or the folder that takes the folder's contents. Made if missing.",
  ),
})

export const sandboxUpload = defineTool({
  name: "sandbox_upload",
  title: "Upload to sandbox",
  description: `Copy a file or a whole folder from the session's files (what the user or an earlier download put there) into a sandbox. Files of the same name are replaced, others stay. Content that you write yourself goes through sandbox_write_file.
Example: {"sandbox": "web-1", "from": "inputs", "to": "data"} puts inputs/a.csv at data/a.csv`,
  annotations: { readOnly: false, destructive: true, idempotent: true, openWorld: false },
  input,
  output: TransferOutput,
  handler: Effect.fnUntraced(function* ({ sandbox: reference, from, to }, session) {
    const sandbox = yield* session.get(reference)
    return transferOutput(from, to, yield* sandbox.files.upload(from, to))
  }),
  render: (report) => showTransfer("Uploaded", report),
})
