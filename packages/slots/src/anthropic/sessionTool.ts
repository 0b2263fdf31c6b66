import type { BetaRunnableTool } from "@anthropic-ai/sdk/lib/tools/BetaRunnableTool"
import type { PromiseSandbox } from "@cordon/core"
import { inputOf } from "./input.ts"

/** The sandbox of a session, which is made when it is first asked for. */
export type SessionSandbox = () => Promise<PromiseSandbox>

/** The signal that aborts a call. */
export interface Abortable {
  readonly signal?: AbortSignal | undefined
}

/** A tool of the toolset of managed agents. Those know its schema; other loops are shown this one. */
export const sessionTool = <S extends Parameters<typeof inputOf>[1]>(
  name: string,
  description: string,
  properties: Readonly<Record<string, object>>,
  required: ReadonlyArray<string>,
  schema: S,
  run: (input: S["Type"], options: Abortable) => Promise<string>,
): BetaRunnableTool<unknown> => ({
  name,
  description,
  input_schema: { type: "object", properties, required: [...required] },
  parse: (input) => input,
  run: (input, context) =>
    run(inputOf(name, schema, input), context?.signal ? { signal: context.signal } : {}),
})
