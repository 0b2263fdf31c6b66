import type { allExtraTools, ExtraToolName } from "./extra.ts"
import { sandboxCreate } from "./tools/create.ts"
import { sandboxDownload } from "./tools/download.ts"
import { sandboxExec } from "./tools/exec.ts"
import { sandboxList } from "./tools/list.ts"
import { sandboxManage } from "./tools/manage.ts"
import { sandboxReadFile } from "./tools/readFile.ts"
import { sandboxUpload } from "./tools/upload.ts"
import { sandboxWriteFile } from "./tools/writeFile.ts"

/** The eight tools with their types, by name. */
export const sandboxTools = {
  sandbox_create: sandboxCreate,
  sandbox_exec: sandboxExec,
  sandbox_read_file: sandboxReadFile,
  sandbox_write_file: sandboxWriteFile,
  sandbox_upload: sandboxUpload,
  sandbox_download: sandboxDownload,
  sandbox_list: sandboxList,
  sandbox_manage: sandboxManage,
} as const

/** The names of the eight tools. */
export type ToolName = keyof typeof sandboxTools

/** The names of all tools: the eight, and those beside them. */
export type AnyToolName = ToolName | ExtraToolName

type AllTools = typeof sandboxTools & typeof allExtraTools

/** The decoded input of a tool. */
export type ToolInput<Name extends AnyToolName> = AllTools[Name]["input"]["Type"]

/** The decoded output of a tool. */
export type ToolOutput<Name extends AnyToolName> = AllTools[Name]["output"]["Type"]
