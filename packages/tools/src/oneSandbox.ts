/** The tools that act on one sandbox: it is there before them, and stays. */
import {
  InvalidInput,
  type Sandbox,
  SandboxNotFound,
  type SandboxSession,
  SnapshotNotFound,
} from "@cordon/core"
import { Effect, Predicate, Record } from "effect"
import { type ExtraTool, type ExtraToolName, extraOf } from "./extra.ts"
import type { ObjectSchema } from "./jsonSchema.ts"
import { asResult, infoOf, type Tool, type ToolResult } from "./Tool.ts"
import { sandboxTools, type ToolName } from "./tools.ts"

/** The names of the tools that use a sandbox, and neither make nor find nor end one. */
export type SandboxToolName = Exclude<
  ToolName,
  "sandbox_create" | "sandbox_list" | "sandbox_manage"
>

/** These tools and requested extra tools for one sandbox. Their input does not name the sandbox. */
export const sandboxToolset = <Extra extends ExtraTool = never>(
  sandbox: Sandbox,
  extra: ReadonlyArray<Extra> = [],
): Readonly<Record<SandboxToolName | ExtraToolName<Extra>, Tool>> => ({
  sandbox_exec: bind(sandboxTools.sandbox_exec, sandbox),
  sandbox_read_file: bind(sandboxTools.sandbox_read_file, sandbox),
  sandbox_write_file: bind(sandboxTools.sandbox_write_file, sandbox),
  sandbox_upload: bind(sandboxTools.sandbox_upload, sandbox),
  sandbox_download: bind(sandboxTools.sandbox_download, sandbox),
  ...Record.map<ExtraToolName<Extra>, Tool, Tool>(extraOf(extra), (tool) => bind(tool, sandbox)),
})

/** All of a session that tools get to see. */
export const sandboxSession = (sandbox: Sandbox): SandboxSession => ({
  create: () =>
    Effect.fail(
      new InvalidInput({
        subject: "sandbox",
        issue: "there is only one sandbox, and it can't be named",
      }),
    ),
  get: (reference) =>
    reference === sandbox.name || reference === sandbox.id
      ? Effect.succeed(sandbox)
      : Effect.fail(new SandboxNotFound({ sandbox: reference })),
  list: sandbox.inspect.pipe(
    Effect.map((info) => [info]),
    Effect.catchTag("SandboxNotFound", () => Effect.succeed([])),
  ),
  find: () =>
    Effect.fail(
      new InvalidInput({
        subject: "sandbox",
        issue: "there is only one sandbox, and it can't be named",
      }),
    ),
  snapshots: {
    list: Effect.succeed([]),
    remove: (snapshot) => Effect.fail(new SnapshotNotFound({ snapshot })),
  },
})

const withoutSandbox = ({ properties, required, ...schema }: ObjectSchema): ObjectSchema => {
  const { sandbox: _, ...rest } = properties
  return { ...schema, properties: rest, required: required.filter((name) => name !== "sandbox") }
}

/** Messages without advice that needs a session's tools. */
const messages: Readonly<Record<string, string>> = {
  SandboxNotFound: "Your sandbox is gone with its files. No tool can fix this: tell the user.",
  SandboxNotRunning:
    "Your sandbox was stopped, its files are kept. No tool can start it: tell the user.",
  LeaseLost:
    "Your sandbox went unused for too long and was removed, or was taken over. No tool can fix this: tell the user.",
}

const reworded = (result: ToolResult): ToolResult => {
  const message = result.ok ? undefined : messages[result.error.tag]
  if (result.ok || message === undefined) return result
  return { ok: false, error: { ...result.error, message }, text: `Error: ${message}` }
}

const namesSandbox = (input: unknown): input is { readonly sandbox: unknown } =>
  typeof input === "object" && input !== null && "sandbox" in input

const bind = (tool: Tool, sandbox: Sandbox): Tool => {
  const inputSchema = withoutSandbox(tool.inputSchema)
  return {
    ...infoOf(tool),
    // Examples name a sandbox, but here there is only one.
    description: tool.description.replaceAll('"sandbox": "web-1", ', ""),
    inputSchema,
    strictInputSchema: withoutSandbox(tool.strictInputSchema),
    call: (session, input) => {
      if (!namesSandbox(input)) {
        const named = Predicate.isObject(input) ? { ...input, sandbox: sandbox.name } : input
        return Effect.map(tool.call(session, named), reworded)
      }
      if (input.sandbox === sandbox.name || input.sandbox === sandbox.id) {
        return Effect.map(tool.call(session, input), reworded)
      }
      const issue = `there is no such field as "sandbox", since there is but one. Its fields are: ${Object.keys(inputSchema.properties).join(", ")}.`
      return asResult(
        tool.name,
        Effect.fail(new InvalidInput({ subject: `input for ${tool.name}`, issue })),
      )
    },
  }
}
