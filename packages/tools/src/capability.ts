import type { InvalidInput } from "@cordon/core"
import { Effect, Option } from "effect"
import { containerSandboxConfigSchema } from "./configuration.ts"
import { containerSandboxEnabled } from "./featureFlag.ts"
import type { ObjectSchema } from "./jsonSchema.ts"
import type { Tool } from "./Tool.ts"
import { mapTools } from "./Toolset.ts"

/** Something that an agent can be given: tools, and how to use them. */
export interface Capability {
  /** The ID by which a harness names the capability. */
  readonly id: string
  /** The name that people see. */
  readonly name: string
  /** For people. */
  readonly description: string
  /** The tools, not yet bound to a session: `makeToolset` or `createTools` does that. */
  readonly tools: ReadonlyArray<Tool>
  /** The JSON Schema of its configuration: see {@link configureContainerSandbox}. */
  readonly configuration: ObjectSchema
  /** For the system prompt. */
  readonly instructions: string
}

/** The `container_sandbox` capability itself, independent of the feature flags. */
export const containerSandbox: Capability = {
  id: "container_sandbox",
  name: "Container sandbox",
  description:
    "Isolated Linux containers of the session's own, in which the agent runs commands and edits files.",
  tools: mapTools((tool) => tool).tools,
  configuration: containerSandboxConfigSchema,
  instructions: `You have sandboxes: isolated Linux containers where you may run any command and change any file without harm to the user's machine.
- Start with sandbox_list; use what is there, or make a sandbox with sandbox_create.
- Run commands with sandbox_exec. Each call is a new shell: give cwd instead of cd. A non-zero exit_code is a result to act on. Start servers and long jobs in the background with their output in a file.
- Read and write files with sandbox_read_file and sandbox_write_file rather than through the shell.
- The user's files are the session's files: bring them in with sandbox_upload, give results back with sandbox_download. Nothing else in a sandbox reaches the user or outlives it.
- An unused sandbox is stopped, and later removed with its files. Remove one that you no longer need with sandbox_manage.
- An error message says what to do next. Do that; do not repeat a call that failed unchanged.`,
}

/**
 * The capability if a feature flag enables it; see {@link containerSandboxEnabled}.
 *
 * @example
 * import { containerSandboxCapability } from "@cordon/tools"
 * import { Option } from "effect"
 *
 * const capability = yield* containerSandboxCapability
 * if (Option.isSome(capability)) yield* Console.log(capability.value.instructions)
 */
export const containerSandboxCapability: Effect.Effect<
  Option.Option<Capability>,
  InvalidInput
> = Effect.map(containerSandboxEnabled, (enabled) =>
  enabled ? Option.some(containerSandbox) : Option.none(),
)
