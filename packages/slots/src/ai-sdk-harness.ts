import "@cordon/core"
import type { HarnessV1NetworkSandboxSession, HarnessV1SandboxProvider } from "@ai-sdk/harness"
import {
  type CreateOptions,
  type CreateSecrets,
  type PromiseSandbox,
  type PromiseSandboxes,
  SnapshotNameTaken,
} from "@cordon/core"
import type { Experimental_SandboxSession } from "ai"
import { networkOf } from "./ai-sdk/network.ts"
import { sessionOver } from "./ai-sdk/session.ts"
import { aiSdkSandbox } from "./ai-sdk.ts"
import { unlessGone } from "./shared/absent.ts"
import { nameFor } from "./shared/names.ts"
import { openPorts } from "./shared/ports.ts"
import { startProcess } from "./shared/process.ts"

/** The reachable ports of a sandbox. */
export interface HarnessSandboxOptions {
  /**
   * Ports of the sandbox that this machine may connect to, on 127.0.0.1: a coding agent that runs in the
   * sandbox is reached through one. None by default.
   */
  readonly ports?: ReadonlyArray<number>
}

/** A session for a harness. Its `spawn` accepts input like a plain session of `ai`. */
export type HarnessSandbox = Experimental_SandboxSession & HarnessV1NetworkSandboxSession

/** Options of a provider that makes sandboxes for the sessions of a harness. */
export interface HarnessProviderOptions extends HarnessSandboxOptions {
  /**
   * The session that owns the sandboxes. To resume in another process, give `createSandboxes` a
   * `sessionId` of your own and `removeOnClose: false`. Close it when you are done.
   */
  readonly sandboxes: PromiseSandboxes
  /** The options of each sandbox: its image, limits, network. Its name is derived from the session. */
  readonly create?: Omit<CreateOptions, "name"> & CreateSecrets
  /**
   * Whether the installation of a harness is kept as a snapshot, from which later sandboxes are
   * made. Default: false. The snapshot outlives the sandboxes and this program. Its name begins
   * with `template-`; `sandboxes.snapshots.remove` removes it.
   */
  readonly snapshots?: boolean
}

/**
 * A sandbox for the AI SDK's `HarnessAgent`: `sandboxSession` of its `createSession`.
 *
 * A process that `spawn` starts continues after this program ends, so that another program can
 * resume the session of a harness. `stop` stops the sandbox and keeps its files; `destroy` removes
 * it. A sandbox that was created with egress rules (`egress: { allow: {} }` is enough) accepts
 * every `setNetworkPolicy`, and request transformations, whose keys are added outside the sandbox.
 * The network of any other sandbox is fixed at its creation: `setNetworkPolicy` accepts only the
 * current policy, and rejects every other.
 *
 * @example
 * import type { HarnessAgent } from "@ai-sdk/harness/agent"
 * import { harnessSandbox } from "@cordon/slots/ai-sdk-harness"
 *
 * const openSession = async (agent: HarnessAgent) => {
 *   const sandboxSession = harnessSandbox(await sandboxes.create(), { ports: [4000] })
 *   return agent.createSession({ sandboxSession })
 * }
 */
export const harnessSandbox = (
  sandbox: PromiseSandbox,
  options: HarnessSandboxOptions = {},
): HarnessSandbox => {
  const ports = openPorts(sandbox, options.ports ?? [])
  const getPortUrl: HarnessV1NetworkSandboxSession["getPortUrl"] = async ({
    port,
    protocol = "http",
  }) => `${protocol}://${await ports.open(port)}/`
  return {
    ...sessionOver(sandbox, ({ command, workingDirectory, env, abortSignal, stdin }) =>
      startProcess(sandbox, command, { cwd: workingDirectory, env, stdin, signal: abortSignal }),
    ),
    id: sandbox.name,
    defaultWorkingDirectory: sandbox.info.workdir,
    get ports() {
      return ports.allowed()
    },
    getPortUrl,
    getPortEndpoint: async (options) => ({ url: await getPortUrl(options) }),
    setPorts: ports.allow,
    ...networkOf(sandbox),
    stop: async () => {
      await ports.close()
      await unlessGone(sandbox.stop())
    },
    destroy: async () => {
      await ports.close()
      await unlessGone(sandbox.remove())
    },
    restricted: () => aiSdkSandbox(sandbox),
  }
}

/**
 * Makes sandboxes for the AI SDK's `HarnessAgent`: its setting `sandbox`. Each session has a sandbox of its
 * own, and `resumeFrom` finds it again, in another process too.
 *
 * @example
 * import { HarnessAgent, type HarnessAgentAdapter } from "@ai-sdk/harness/agent"
 * import { harnessSandboxProvider } from "@cordon/slots/ai-sdk-harness"
 *
 * const sandbox = harnessSandboxProvider({ sandboxes, create: { image: "node:24" }, ports: [4000] })
 * // A harness is, for example, `claudeCode` of "@ai-sdk/harness-claude-code".
 * const agentOf = (harness: HarnessAgentAdapter) => new HarnessAgent({ harness, sandbox })
 */
export const harnessSandboxProvider = (
  options: HarnessProviderOptions,
): HarnessV1SandboxProvider => {
  const { sandboxes } = options
  return {
    specificationVersion: "harness-sandbox-v1",
    providerId: "cordon",
    createSession: async (request = {}) =>
      harnessSandbox(await createFor(options, request), options),
    resumeSession: async ({ sessionId, abortSignal }) => {
      const signal = { signal: abortSignal }
      const sandbox = await sandboxes.get(sandboxOf(sessionId), signal)
      if (sandbox.info.status !== "running") await sandbox.start(signal)
      return harnessSandbox(sandbox, options)
    },
  }
}

const sandboxOf = (sessionId: string) => nameFor("harness", sessionId)

type Request = NonNullable<Parameters<HarnessV1SandboxProvider["createSession"]>[0]>

/** A sandbox with the harness's installation: from its snapshot, or set up now. */
const createFor = async (
  { sandboxes, create = {}, snapshots = false }: HarnessProviderOptions,
  { sessionId, identity, onFirstCreate, abortSignal }: Request,
): Promise<PromiseSandbox> => {
  const signal = { signal: abortSignal }
  const named = {
    ...create,
    ...signal,
    name: sessionId === undefined ? undefined : sandboxOf(sessionId),
  }
  const template =
    snapshots && identity !== undefined && create.snapshot === undefined
      ? nameFor("template", JSON.stringify([identity, create.image ?? null]))
      : undefined
  if (template !== undefined) {
    const known = await sandboxes.snapshots.list(signal)
    if (known.some(({ name }) => name === template)) {
      const { image: _, ...others } = named
      return await sandboxes.create({ ...others, snapshot: template })
    }
  }
  const sandbox = await sandboxes.create(named)
  try {
    await onFirstCreate?.(aiSdkSandbox(sandbox), abortSignal === undefined ? {} : { abortSignal })
    if (template !== undefined) await keep(sandbox, template, signal)
    return sandbox
  } catch (error) {
    await sandbox.remove().catch(() => {})
    throw error
  }
}

/** Another program may have made the same one meanwhile. */
const keep = async (
  sandbox: PromiseSandbox,
  name: string,
  options: { readonly signal?: AbortSignal | undefined },
) => {
  try {
    await sandbox.snapshot(name, options)
  } catch (error) {
    if (!(error instanceof SnapshotNameTaken)) throw error
  }
}
