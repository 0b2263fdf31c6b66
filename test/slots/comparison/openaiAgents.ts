import { openaiAgentsClient } from "@cordon/slots/openai-agents"
import { Manifest, type SandboxExecResult } from "@openai/agents/sandbox"
import { DockerSandboxClient } from "@openai/agents/sandbox/local"
import { image } from "../suite.ts"
import { type Framework, label, type Opened } from "./provider.ts"

/** What both sessions have, and the framework's shell tool uses. */
interface Session {
  readonly exec: (args: {
    cmd: string
    yieldTimeMs?: number
    login?: boolean
  }) => Promise<SandboxExecResult>
  readonly writeStdin: (args: {
    sessionId: number
    chars?: string
    yieldTimeMs?: number
  }) => Promise<string>
}

const used = (session: Session): Pick<Opened, "run" | "stopAfter"> => ({
  run: async (cmd) => {
    const { exitCode, stdout, stderr } = await session.exec({ cmd, yieldTimeMs: 60_000 })
    return { exitCode: exitCode ?? undefined, stdout, stderr }
  },
  // The framework has no time limit for a command: its model types control-C.
  stopAfter: async (cmd, milliseconds) => {
    const { sessionId } = await session.exec({ cmd, yieldTimeMs: milliseconds })
    if (sessionId !== undefined) await session.writeStdin({ sessionId, chars: "\x03" })
  },
})

export const openaiAgents: Framework = {
  name: "OpenAI Agents SDK",
  provider: "@openai/agents",
  theirs: async ({ mark, folder, env }) => {
    const client = new DockerSandboxClient({
      image,
      labels: { [label]: mark },
      workspaceBaseDir: folder,
    })
    const session = await client.create({ manifest: new Manifest({ environment: { ...env } }) })
    return {
      ...used(session),
      container: session.state.containerId,
      [Symbol.asyncDispose]: () => session.close(),
    }
  },
  ours: async ({ env }, sandboxes) => {
    const client = openaiAgentsClient({ sandboxes })
    const session = await client.create({ manifest: new Manifest({ environment: { ...env } }) })
    const { info } = await sandboxes.get(session.state.sandbox)
    return {
      ...used(session),
      container: info.instanceId,
      [Symbol.asyncDispose]: () => session.close(),
    }
  },
}
