import "@cordon/core"
import {
  type Abortable,
  type CreateOptions,
  type CreateSecrets,
  type PromiseSandbox,
  type PromiseSandboxes,
  SandboxNotFound,
} from "@cordon/core"
import type { CreateSandboxOptions } from "computesdk"
import { type ComputesdkSandbox, sandboxOver } from "./computesdk/sandbox.ts"
import { type ComputesdkSnapshots, snapshotsOf } from "./computesdk/snapshots.ts"
import { unlessGone } from "./shared/absent.ts"

export type { ComputesdkSandbox } from "./computesdk/sandbox.ts"
export type { ComputesdkSnapshot, ComputesdkSnapshots } from "./computesdk/snapshots.ts"

/** Options of sandboxes for ComputeSDK. */
export interface ComputesdkOptions {
  /**
   * The session that owns the sandboxes. To find one in another process, give `createSandboxes` a
   * `sessionId` of your own and `removeOnClose: false`. Close it when you are done.
   */
  readonly sandboxes: PromiseSandboxes
  /** The default options of each sandbox: its image, limits, network. A creation may override them. */
  readonly create?: Omit<CreateOptions, "name"> & CreateSecrets
  /** Ports of the sandbox that this machine may connect to, on 127.0.0.1. Default: none. */
  readonly ports?: ReadonlyArray<number>
  /** Whether snapshots are supported. Default: false. They outlive the sandboxes and this program. */
  readonly snapshots?: boolean
  /** Kills the running commands. ComputeSDK passes no signal to a sandbox. */
  readonly signal?: AbortSignal | undefined
}

/** The `provider` of `compute`, or one of its `providers`. */
export interface ComputesdkProvider {
  /** The provider's name in ComputeSDK. */
  readonly name: "cordon"
  /** Makes, finds and removes sandboxes. */
  readonly sandbox: {
    /** Makes a sandbox; these options win over `create` of the provider's. */
    readonly create: (options?: CreateSandboxOptions) => Promise<ComputesdkSandbox>
    /** Finds one by its name, which is its `sandboxId`. */
    readonly getById: (sandboxId: string) => Promise<ComputesdkSandbox | null>
    /** Those that run. */
    readonly list: () => Promise<Array<ComputesdkSandbox>>
    /** Removes a sandbox by its name; no effect where it is gone. */
    readonly destroy: (sandboxId: string) => Promise<void>
  }
  /** With `snapshots: true`. */
  readonly snapshot?: ComputesdkSnapshots
}

const mebibyte = 1024 ** 2

/** ComputeSDK's options of a new sandbox, as ours. They replace the program's defaults. */
const optionsOf = (
  {
    image,
    templateId,
    snapshotId,
    envs,
    name,
    directory,
    metadata,
    ...asked
  }: CreateSandboxOptions,
  create: NonNullable<ComputesdkOptions["create"]>,
): CreateOptions & CreateSecrets & Abortable => {
  const { image: own, snapshot, limits, ...others } = create
  const wanted = image ?? templateId
  const from = snapshotId ?? (wanted === undefined ? snapshot : undefined)
  const made = wanted ?? own
  const { cpus, memoryMiB, signal } = asked
  return {
    ...others,
    ...(from !== undefined ? { snapshot: from } : made !== undefined ? { image: made } : {}),
    limits: {
      ...limits,
      cpus: cpus ?? limits?.cpus,
      memory: memoryMiB === undefined ? limits?.memory : memoryMiB * mebibyte,
    },
    name,
    workdir: directory ?? others.workdir,
    tags: metadata === undefined ? create.tags : { ...create.tags, ...tagsOf(metadata) },
    secrets: envs === undefined ? create.secrets : { ...create.secrets, ...envs },
    signal,
  }
}

/** Metadata holds anything; tags are text. */
const tagsOf = (metadata: Readonly<Record<string, unknown>>) =>
  Object.fromEntries(
    Object.entries(metadata).map(([name, value]) => [
      name,
      typeof value === "string" ? value : JSON.stringify(value),
    ]),
  )

/**
 * Makes sandboxes for ComputeSDK: `provider` of `compute.setConfig`.
 *
 * The variables of a creation (`envs`) are given to each command, and stay out of the sandbox's
 * configuration and snapshots.
 *
 * @example
 * import { computesdkProvider } from "@cordon/slots/computesdk"
 * import { compute } from "computesdk"
 *
 * compute.setConfig({ provider: computesdkProvider({ sandboxes }) })
 * const sandbox = await compute.sandbox.create()
 * const { stdout } = await sandbox.runCommand("uname -s")
 */
export const computesdkProvider = (options: ComputesdkOptions): ComputesdkProvider => {
  const { sandboxes, create = {}, snapshots = false } = options
  const over = (sandbox: PromiseSandbox) => sandboxOver(sandbox, provider, options)
  const getById = async (sandboxId: string) => {
    try {
      return over(await sandboxes.get(sandboxId))
    } catch (error) {
      if (error instanceof SandboxNotFound) return null
      throw error
    }
  }

  const provider: ComputesdkProvider = {
    name: "cordon",
    sandbox: {
      create: async (asked = {}) => over(await sandboxes.create(optionsOf(asked, create))),
      getById,
      list: async () => {
        const all = await sandboxes.list()
        const running = all.filter(({ status }) => status === "running")
        const found = await Promise.all(running.map(({ name }) => getById(name)))
        return found.filter((sandbox) => sandbox !== null)
      },
      destroy: async (sandboxId) => {
        await unlessGone(sandboxes.get(sandboxId).then((sandbox) => sandbox.remove()))
      },
    },
    ...(snapshots ? { snapshot: snapshotsOf(sandboxes) } : {}),
  }
  return provider
}
