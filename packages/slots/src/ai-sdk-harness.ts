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

/** What is reachable in a sandbox. */
export interface HarnessSandboxOptions {
  /**
   * Ports of the sandbox that this machine may connect to, on 127.0.0.1: a coding agent that runs in the
   * sandbox is reached through one. None by default.
   */
  readonly ports?: ReadonlyArray<number>
}

/** A session for a harness, whose `spawn` takes input as that of a plain session of `ai` does. */
export type HarnessSandbox = Experimental_SandboxSession & HarnessV1NetworkSandboxSession

/** How sandboxes are made for the sessions of a harness. */
export interface HarnessProviderOptions extends HarnessSandboxOptions {
  /**
   * Whose sandboxes they are. To resume in another process, give `createSandboxes` a `sessionId` of your
   * own and `removeOnClose: false`. Close them when all is done.
   */
  readonly sandboxes: PromiseSandboxes
  /** What each sandbox is made with: its image, limits, network. Its name is derived from the session. */
  readonly create?: Omit<CreateOptions, "name"> & CreateSecrets
  /**
   * Whether what a harness installs is kept as a snapshot, which later sandboxes are made from: false by
   * default. It outlives the sandboxes and this program, under a name that begins with `template-`;
   * `sandboxes.snapshots.remove` removes it.
   */
  readonly snapshots?: boolean
}

/**
 * A sandbox for the AI SDK's `HarnessAgent`: `sandboxSession` of its `createSession`.
 *
 * What `spawn` starts goes on when this program ends, so that the session of a harness can be resumed in
 * another. `stop` stops the sandbox and keeps its files; `destroy` removes it. A sandbox that was created
 * with rules for its way out (`egress: { allow: {} }` is enough) takes every `setNetworkPolicy`, and request
 * transformations, whose keys are added outside. The network of any other is chosen when it is created:
 * `setNetworkPolicy` accepts what it has already, and rejects all else.
 *
 * @example
 * const sandboxSession = harnessSandbox(await sandboxes.create(), { ports: [4000] })
 * const session = await agent.createSession({ sandboxSession })
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
 * const agent = new HarnessAgent({
 *   harness: claudeCode,
 *   sandbox: harnessSandboxProvider({ sandboxes, create: { image: "node:24" }, ports: [4000] }),
 * })
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

/** A sandbox with what the harness needs in it: from its snapshot, or set up now. */
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
