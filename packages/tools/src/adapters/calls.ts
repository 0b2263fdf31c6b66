/** What adapters share: how the frameworks hand on a call. */
import type { PromiseTool, PromiseToolset } from "../promise.ts"

/** The options of a call; frameworks hand on no signal as undefined or null. */
export const withSignal = (signal: AbortSignal | null | undefined) =>
  signal === undefined || signal === null ? {} : { signal }

/** The tool that a model named, if it is one of these. */
export const toolNamed = (toolset: PromiseToolset, name: string): PromiseTool | undefined =>
  toolset.tools.find((tool) => tool.name === name)

/** Arguments as a model wrote them; what is not JSON the tool itself refuses, as not an object. */
export const parseArguments = (json: string): unknown => {
  try {
    return JSON.parse(json)
  } catch {
    return json
  }
}
