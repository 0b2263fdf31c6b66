import "@cordon/core"
import {
  type CreateOptions,
  type CreateSecrets,
  type PromiseSandbox,
  type PromiseSandboxes,
  SandboxNameTaken,
  SandboxNotFound,
} from "@cordon/core"
import type {
  SandboxCapabilities,
  SandboxProvider,
  SandboxRestoreInput,
} from "@tanstack/ai-sandbox"
import { unlessGone } from "./shared/absent.ts"
import { nameFor } from "./shared/names.ts"
import { handleOf } from "./tanstack/handle.ts"

/** Options of sandboxes for TanStack AI. */
export interface TanstackOptions {
  /**
   * The session that owns the sandboxes. To resume in another process, give `createSandboxes` a
   * `sessionId` of your own and `removeOnClose: false`. Close it when you are done.
   */
  readonly sandboxes: PromiseSandboxes
  /**
   * The options of each sandbox: its image, limits, network. Its working directory is `/workspace`,
   * where the framework keeps its files.
   */
  readonly create?: Omit<CreateOptions, "name" | "workdir"> & CreateSecrets
  /** Ports of the sandbox that this machine may connect to, on 127.0.0.1. Default: none. */
  readonly ports?: ReadonlyArray<number>
  /**
   * Whether the framework may keep snapshots. It does so after the set-up, unless its `lifecycle`
   * says otherwise. Default: false. Snapshots outlive the sandboxes and this program.
   */
  readonly snapshots?: boolean
}

/** A name that an ID of the framework's stands for; names that were made so stand for themselves. */
const nameOf = (id: string) => (/^tanstack-[0-9a-f]{28}$/.test(id) ? id : nameFor("tanstack", id))

/**
 * Makes sandboxes for TanStack AI: `provider` of `defineSandbox`.
 *
 * The secrets of a workspace are given to each command, and stay out of the sandbox's configuration and
 * snapshots.
 *
 * @example
 * import { tanstackSandbox } from "@cordon/slots/tanstack"
 * import { defineSandbox } from "@tanstack/ai-sandbox"
 *
 * const sandbox = defineSandbox({ id: "repo-agent", provider: tanstackSandbox({ sandboxes }) })
 */
export const tanstackSandbox = (options: TanstackOptions): SandboxProvider => {
  const { sandboxes, create = {}, ports = [], snapshots = false } = options
  const capabilities: SandboxCapabilities = {
    fs: true,
    exec: true,
    env: true,
    ports: ports.length > 0,
    backgroundProcesses: true,
    writableStdin: true,
    snapshots,
    networkPolicy: false,
    durableFilesystem: true,
    fork: false,
  }
  const handle = (sandbox: PromiseSandbox) => handleOf(sandbox, { capabilities, ports })
  const signalOf = (signal: AbortSignal | undefined) => ({ signal })
  const optionsFor = (env: Record<string, string> = {}) => ({
    ...create,
    workdir: "/workspace",
    secrets: { ...create.secrets, ...env },
  })

  return {
    name: "cordon",
    capabilities: () => capabilities,
    create: async ({ id, env, signal }) => {
      const made = { ...optionsFor(env), ...signalOf(signal) }
      if (id === undefined) return handle(await sandboxes.create(made))
      try {
        return handle(await sandboxes.create({ ...made, name: nameOf(id) }))
      } catch (error) {
        if (!(error instanceof SandboxNameTaken)) throw error
        // The framework no longer knows it: its lease ends it.
        return handle(await sandboxes.create(made))
      }
    },
    resume: async ({ id, signal }) => {
      try {
        const sandbox = await find(sandboxes, id, signalOf(signal))
        if (sandbox.info.status !== "running") await sandbox.start(signalOf(signal))
        return handle(sandbox)
      } catch (error) {
        if (error instanceof SandboxNotFound) return null
        throw error
      }
    },
    ...(snapshots
      ? {
          restoreSnapshot: async ({ snapshotId, env, signal }: SandboxRestoreInput) => {
            const { image: _, ...others } = optionsFor(env)
            const made = { ...others, snapshot: snapshotId, ...signalOf(signal) }
            return handle(await sandboxes.create(made))
          },
        }
      : {}),
    destroy: async ({ id, signal }) => {
      await unlessGone(
        find(sandboxes, id, signalOf(signal)).then((sandbox) => sandbox.remove(signalOf(signal))),
      )
    },
  }
}

/** By the name that it has, or the one that its ID stands for. */
const find = async (
  sandboxes: PromiseSandboxes,
  id: string,
  signal: { readonly signal?: AbortSignal | undefined },
): Promise<PromiseSandbox> => {
  const all = await sandboxes.list(signal)
  const known = all.some(({ name }) => name === id)
  return await sandboxes.get(known ? id : nameOf(id), signal)
}
