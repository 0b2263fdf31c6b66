import { Effect, Schema } from "effect"
import { sandboxField, text } from "../fields.ts"
import { defineTool } from "../Tool.ts"
import { showTransfer, TransferOutput, transferOutput } from "../transfer.ts"

const input = Schema.Struct({
  sandbox: sandboxField,
  from: text("File or folder in the sandbox, absolute or relative to its working directory."),
  to: text(
    "Path in the session's files, relative and without \"..\": the file's own new path, or the folder that takes the folder's contents. Made if missing.",
  ),
})

export const sandboxDownload = defineTool({
  name: "sandbox_download",
  title: "Download from sandbox",
  description: `Copy a file or a whole folder from a sandbox into the session's files, where the user finds it and where it outlives the sandbox. Use it for results. Files of the same name are replaced; links and devices are left out and reported. To look into a file yourself use sandbox_read_file.
Example: {"sandbox": "web-1", "from": "dist", "to": "results/dist"}`,
  annotations: { readOnly: false, destructive: true, idempotent: true, openWorld: false },
  input,
  output: TransferOutput,
  handler: Effect.fnUntraced(function* ({ sandbox: reference, from, to }, session) {
    const sandbox = yield* session.get(reference)
    return transferOutput(from, to, yield* sandbox.files.download(from, to))
  }),
  render: (report) => showTransfer("Downloaded", report),
})
