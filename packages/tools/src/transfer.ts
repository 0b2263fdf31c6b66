/** The report of a transfer for upload and download. */
import type { TransferReport } from "@cordon/core"
import { Schema } from "effect"
import { count, number, plural, text } from "./fields.ts"

const mostSkipped = 50

export const TransferOutput = Schema.Struct({
  from: text("As given."),
  to: text("As given."),
  files: count("Files that were copied."),
  directories: count("Folders that were made."),
  bytes: count("Bytes of file contents."),
  skipped: Schema.Array(
    Schema.Struct({ path: text("What was left out."), reason: text("Why.") }),
  ).annotate({ description: `What was left out; at most the first ${mostSkipped}.` }),
  skipped_total: count("How many were left out in all."),
})
export type TransferOutput = (typeof TransferOutput)["Type"]

export const transferOutput = (
  from: string,
  to: string,
  { files, directories, bytes, skipped }: TransferReport,
): TransferOutput => ({
  from,
  to,
  files,
  directories,
  bytes,
  skipped: skipped.slice(0, mostSkipped),
  skipped_total: skipped.length,
})

export const showTransfer = (done: string, report: TransferOutput) => {
  const { from, to, files, directories, bytes, skipped, skipped_total } = report
  const folders = directories === 0 ? "" : ` and ${plural(directories, "folder")}`
  return [
    `${done} ${JSON.stringify(from)} to ${JSON.stringify(to)}: ${plural(files, "file")}${folders}, ${plural(bytes, "byte")}.`,
    ...(skipped_total === 0 ? [] : [`Left out ${number(skipped_total)}:`]),
    ...skipped.map(({ path, reason }) => `- ${JSON.stringify(path)}: ${reason}`),
  ].join("\n")
}
