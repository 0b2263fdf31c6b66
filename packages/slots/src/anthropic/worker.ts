import type { BetaRunnableTool } from "@anthropic-ai/sdk/lib/tools/BetaRunnableTool"
import type { AgentToolContext } from "@anthropic-ai/sdk/tools/agent-toolset/node"
import {
  type CreateOptions,
  type CreateSecrets,
  InvalidInput,
  type PromiseSandbox,
  type PromiseSandboxes,
  SandboxNotFound,
} from "@cordon/core"
import { nameFor } from "../shared/names.ts"
import { fileTools } from "./fileTools.ts"
import { searchTools } from "./searchTools.ts"
import { sessionBash } from "./sessionBash.ts"

/** Options of the sandboxes of managed agents. */
export interface AnthropicWorkerOptions {
  /**
   * The session that owns the sandboxes. For workers in several processes, give `createSandboxes` a
   * `sessionId` of your own and `removeOnClose: false`. Close it when you are done.
   */
  readonly sandboxes: PromiseSandboxes
  /** The options of each sandbox: its image, limits, network. */
  readonly create?: Omit<CreateOptions, "name"> & CreateSecrets
}

/** The sandbox of a name: the one that is there, started, or a new one. */
const sandboxNamed = async (
  name: string,
  { sandboxes, create }: AnthropicWorkerOptions,
): Promise<PromiseSandbox> => {
  try {
    const found = await sandboxes.get(name)
    if (found.info.status !== "running") await found.start()
    return found
  } catch (error) {
    if (!(error instanceof SandboxNotFound)) throw error
    return await sandboxes.create({ ...create, name })
  }
}

/**
 * The tools of managed agents (`agent_toolset_20260401`: bash, read, write, edit, glob, grep) in a sandbox
 * for each session: `tools` of `client.beta.environments.work.worker`. A session's sandbox is made with
 * its first call and found again when the session goes on, in any process; it ends by the `removeTimeout`
 * of the settings.
 *
 * Memory stores are folders of the worker's machine: give the worker `memorySyncIntervalMs: null`.
 *
 * @example
 * import Anthropic from "@anthropic-ai/sdk"
 * import { anthropicWorkerTools } from "@cordon/slots/anthropic"
 *
 * const worker = new Anthropic().beta.environments.work.worker({
 *   environmentId: "env_123",
 *   environmentKey: "key_123",
 *   tools: anthropicWorkerTools({ sandboxes }),
 *   memorySyncIntervalMs: null,
 * })
 * await worker.run()
 */
export const anthropicWorkerTools =
  (options: AnthropicWorkerOptions) =>
  (context: AgentToolContext): Array<BetaRunnableTool<unknown>> => {
    const { session, allowedRoots = [] } = context
    const refused = (issue: string) => new InvalidInput({ subject: "session of a worker", issue })
    if (session === undefined) throw refused("its context has no session")
    if (allowedRoots.length > 0) {
      throw refused(
        "it has memory stores, which would be folders of this machine; give the worker memorySyncIntervalMs: null",
      )
    }
    let making: Promise<PromiseSandbox> | undefined
    const sandbox = () => {
      const own = making ?? sandboxNamed(nameFor("anthropic", session.id), options)
      making = own
      // The next call tries again.
      own.catch(() => {
        making = undefined
      })
      return own
    }
    return [
      sessionBash(sandbox),
      ...fileTools(sandbox, context.maxFileBytes),
      ...searchTools(sandbox),
    ]
  }
