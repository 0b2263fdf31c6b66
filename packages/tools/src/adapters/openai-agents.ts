import { type Tool, tool } from "@openai/agents"
import type { PromiseToolset } from "../promise.ts"
import { withSignal } from "./calls.ts"

/**
 * The tools of a session for the OpenAI Agents SDK: `tools` of an `Agent`.
 *
 * Aborting the run's `signal` kills the command that runs.
 */
export const openaiAgentsTools = ({ tools }: PromiseToolset): Array<Tool> =>
  tools.map(({ name, description, inputSchema, execute }) =>
    tool({
      name,
      description,
      // Strict mode knows no optional fields, and its absence no closed objects. The tool itself
      // refuses what it does not know.
      strict: false,
      parameters: { ...inputSchema, additionalProperties: true as const },
      execute: async (input, _, details) =>
        (await execute(input, withSignal(details?.signal))).text,
      // Only an abort rejects: that is no result for a model to read.
      errorFunction: null,
    }),
  )
