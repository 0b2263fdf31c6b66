import { mastra } from "./mastra.ts"
import { openaiAgents } from "./openaiAgents.ts"
import type { Framework } from "./provider.ts"
import { strands } from "./strands.ts"

/** Those whose own Docker provider a registry has. */
export const frameworks: ReadonlyArray<Framework> = [openaiAgents, mastra, strands]
