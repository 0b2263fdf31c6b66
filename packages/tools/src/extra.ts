/** Tools beside the eight, which a program asks for by group. */
import { InvalidInput } from "@cordon/core"
import { Record, Schema } from "effect"
import { sandboxApplyPatch } from "./extra/applyPatch.ts"
import { sandboxEditFile } from "./extra/editFile.ts"
import { sandboxGlob } from "./extra/glob.ts"
import { sandboxGrep } from "./extra/grep.ts"
import type { Tool } from "./Tool.ts"

/** The tools beside the eight with their types, by group and name. */
export const extraSandboxTools = {
  edit: { sandbox_edit_file: sandboxEditFile },
  patch: { sandbox_apply_patch: sandboxApplyPatch },
  glob: { sandbox_glob: sandboxGlob },
  grep: { sandbox_grep: sandboxGrep },
} as const

/** A group of tools beside the eight. */
export type ExtraTool = keyof typeof extraSandboxTools

/** The names of the tools of some groups. */
export type ExtraToolName<Extra extends ExtraTool = ExtraTool> = Extra extends ExtraTool
  ? keyof (typeof extraSandboxTools)[Extra]
  : never

/** What `extra` of options is checked with. */
export const extraShape = Schema.Array(Schema.Literals(Record.keys(extraSandboxTools)))

/** All of them by name, in the order in which a model should see them. */
export const allExtraTools = {
  ...extraSandboxTools.edit,
  ...extraSandboxTools.patch,
  ...extraSandboxTools.glob,
  ...extraSandboxTools.grep,
} as const

/** Groups that are named in a text with commas between them: `edit,patch`. Throws `InvalidInput`. */
export const parseExtraTools = (names: string): ReadonlyArray<ExtraTool> => {
  const given = names.split(",").map((name) => name.trim())
  const known = Record.keys(extraSandboxTools)
  const unknown = given.find((name) => name !== "" && known.every((group) => group !== name))
  if (unknown === undefined) return known.filter((group) => given.includes(group))
  throw new InvalidInput({
    subject: "extra tools",
    issue: `there is no group ${JSON.stringify(unknown)}; there are: ${known.join(", ")}.`,
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
