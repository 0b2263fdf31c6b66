import { HarnessAgent } from "@ai-sdk/harness/agent"
import type { PromiseSandboxes } from "@cordon/core"
import { harnessSandboxProvider } from "@cordon/slots/ai-sdk-harness"
import { lineHarness } from "./lineHarness.ts"

/** The agent of the tests of the AI SDK's harness. */
export const harnessAgent = (sandboxes: PromiseSandboxes, snapshots = false) =>
  new HarnessAgent({
    harness: lineHarness,
    sandbox: harnessSandboxProvider({
      sandboxes,
      snapshots,
      create: { network: "none", limits: { memory: "256MiB" } },
      ports: [4000],
    }),
  })

type Agent = ReturnType<typeof harnessAgent>
type Options = NonNullable<Parameters<Agent["createSession"]>[0]>

/** The session of a chat, from where another one left it. */
export const sessionOf = (agent: Agent, sessionId: string, resumeFrom?: Options["resumeFrom"]) =>
  agent.createSession({ sessionId, ...(resumeFrom && { resumeFrom }) })

/** What comes of a turn. */
export const tell = async (
  agent: Agent,
  session: Awaited<ReturnType<typeof sessionOf>>,
  prompt: string,
) => (await agent.generate({ session, prompt })).text
