/** Tools beside the eight, which a program asks for by group. */
import { InvalidInput } from "@cordon/core"
import { Record, Schema } from "effect"
import { sandboxApplyPatch } from "./extra/applyPatch.ts"
import { sandboxEditFile } from "./extra/editFile.ts"
import { sandboxGlob } from "./extra/glob.ts"
import { sandboxGrep } from "./extra/grep.ts"
import { sandboxPorts } from "./extra/ports.ts"
import {
  sandboxProcessInput,
  sandboxProcessLogs,
  sandboxProcessStart,
  sandboxProcessStop,
} from "./extra/processes.ts"
import { sandboxShell } from "./extra/shell.ts"
import type { Tool } from "./Tool.ts"

/** The tools beside the eight with their types, by group and name. */
export const extraSandboxTools = {
  edit: { sandbox_edit_file: sandboxEditFile },
  patch: { sandbox_apply_patch: sandboxApplyPatch },
  glob: { sandbox_glob: sandboxGlob },
  grep: { sandbox_grep: sandboxGrep },
  processes: {
    sandbox_process_start: sandboxProcessStart,
    sandbox_process_logs: sandboxProcessLogs,
    sandbox_process_input: sandboxProcessInput,
    sandbox_process_stop: sandboxProcessStop,
  },
  ports: { sandbox_ports: sandboxPorts },
  shell: { sandbox_shell: sandboxShell },
} as const

/** A group of tools beside the eight. */
export type ExtraTool = keyof typeof extraSandboxTools

/** The names of the tools of some groups. */
export type ExtraToolName<Extra extends ExtraTool = ExtraTool> = Extra extends ExtraTool
  ? keyof (typeof extraSandboxTools)[Extra]
  : never

/** The instructions for each group of tools, for the system prompt. */
const instructions: Readonly<Record<ExtraTool, string>> = {
  edit: "Change a part of a file with sandbox_edit_file rather than by writing it whole or by sed.",
  patch: "Change several places or files at once with sandbox_apply_patch.",
  glob: "Find files by name with sandbox_glob rather than by find.",
  grep: "Search in files with sandbox_grep rather than by grep.",
  processes:
    "Start servers and long jobs with sandbox_process_start, without & and nohup, and look at them with sandbox_process_logs.",
  ports: "Wait for a server with sandbox_ports rather than by sleep.",
  shell:
    "Where a folder, variables or an activated environment have to last between commands use sandbox_shell.",
}

/** The instructions for some groups, one line for each, to be appended to `containerSandbox.instructions`. */
export const extraInstructions = (groups: ReadonlyArray<ExtraTool>): string =>
  Record.keys(instructions)
    .filter((group) => groups.includes(group))
    .map((group) => `\n- ${instructions[group]}`)
    .join("")

/** The schema of the option `extra`. */
export const extraShape = Schema.Array(Schema.Literals(Record.keys(extraSandboxTools)))

/** All extra tools by name, in the order in which a model should see them. */
export const allExtraTools = {
  ...extraSandboxTools.edit,
  ...extraSandboxTools.patch,
  ...extraSandboxTools.glob,
  ...extraSandboxTools.grep,
  ...extraSandboxTools.processes,
  ...extraSandboxTools.ports,
  ...extraSandboxTools.shell,
} as const

/** Groups that are named in a text with commas between them: `edit,patch`. Throws `InvalidInput`. */
export const parseExtraTools = (names: string): ReadonlyArray<ExtraTool> => {
  const given = names.split(",").map((name) => name.trim())
  const known = Record.keys(extraSandboxTools)
  const unknown = given.find((name) => name !== "" && known.every((group) => group !== name))
  if (unknown === undefined) return known.filter((group) => given.includes(group))
  throw new InvalidInput({
    subject: "extra tools",
    issue: `there is no group ${JSON.stringify(unknown)}; the groups are: ${known.join(", ")}.`,
  })
}

/** Those of some groups, by name. */
export function extraOf<Extra extends ExtraTool>(
  groups: ReadonlyArray<Extra>,
): Readonly<Record<ExtraToolName<Extra>, Tool>>
export function extraOf(
  groups: ReadonlyArray<ExtraTool>,
): Readonly<Partial<Record<ExtraToolName, Tool>>> {
  const named = groups.flatMap(
    (group): ReadonlyArray<string> => Object.keys(extraSandboxTools[group]),
  )
  return Record.filter<ExtraToolName, Tool>(allExtraTools, (_, name) => named.includes(name))
}
