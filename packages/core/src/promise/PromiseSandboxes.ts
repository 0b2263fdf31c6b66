import type { Layer } from "effect"
import type { DriverCapabilities } from "../driver/capabilities.ts"
import type { PullProgress } from "../driver/lifecycle.ts"
import type { EgressBroker } from "../egress/EgressBroker.ts"
import type { CordonError } from "../errors.ts"
import type { LeaseStore } from "../LeaseStore.ts"
import type { SandboxDriver } from "../SandboxDriver.ts"
import type { SessionFiles } from "../SessionFiles.ts"
import type { SandboxFilter, SandboxPage } from "../session/finding.ts"
import type { CreateSecrets, GetOptions } from "../session/Secrets.ts"
import type { SettingsInput } from "../settings/SettingsInput.ts"
import type { CreateOptions, SandboxInfo, SnapshotInfo } from "../values/Sandbox.ts"

import type { LoggingOptions } from "./logging.ts"
import type { Abortable } from "./options.ts"
import type { PromiseSandbox } from "./PromiseSandbox.ts"

/** The snapshots of one session. */
export interface PromiseSnapshots {
  /**
   * Oldest first.
   *
   * @example
   * for (const { name, createdAt } of await sandboxes.snapshots.list()) console.log(name, createdAt)
   */
  readonly list: (options?: Abortable) => Promise<ReadonlyArray<SnapshotInfo>>
  /**
   * Rejects with `SnapshotInUse` while there are sandboxes that were made from it.
   *
   * @example
   * await sandboxes.snapshots.remove("installed")
   */
  readonly remove: (name: string, options?: Abortable) => Promise<void>
}

/** The sandboxes of one session. Every rejection is a {@link CordonError}: look at its `_tag`. */
export interface PromiseSandboxes extends AsyncDisposable {
  /** Whose sandboxes these are. */
  readonly sessionId: string
  /**
   * Makes a sandbox and starts it. Nothing is left of one that fails or is aborted.
   *
   * @example
   * await using sandbox = await sandboxes.create({
   *   image: "python:3.13",
   *   limits: { memory: "1GiB", cpus: 2 },
   *   network: "none",
   * })
   */
  readonly create: (
    options?: CreateOptions &
      CreateSecrets &
      Abortable & {
        /** Called for each step of a pull; not called where the host has the image. */
        readonly onProgress?: ((progress: PullProgress) => void) | undefined
      },
  ) => Promise<PromiseSandbox>
  /**
   * Finds a sandbox by its name or ID.
   *
   * @example
   * const sandbox = await sandboxes.get("web")
   */
  readonly get: (reference: string, options?: GetOptions & Abortable) => Promise<PromiseSandbox>
  /**
   * Oldest first.
   *
   * @example
   * for (const { name, status } of await sandboxes.list()) console.log(name, status)
   */
  readonly list: (options?: Abortable) => Promise<ReadonlyArray<SandboxInfo>>
  /**
   * Those that have some tags or are in some state, oldest first, a page at a time.
   *
   * @example
   * let page = await sandboxes.find({ tags: { user: "ada" }, status: "running" })
   * while (page.next !== undefined) page = await sandboxes.find({ after: page.next })
   */
  readonly find: (filter?: SandboxFilter, options?: Abortable) => Promise<SandboxPage>
  /** Lists and removes the session's snapshots. */
  readonly snapshots: PromiseSnapshots
  /**
   * What the driver and its host can do, with what they lack.
   *
   * @example
   * const { runtimes, features } = await sandboxes.capabilities()
   * const hasGvisor = runtimes.some(({ runtime }) => runtime === "gvisor")
   */
  readonly capabilities: (options?: Abortable) => Promise<DriverCapabilities>
  /**
   * Opens another session on the same driver, engine connection and reaper; any number of them cost
   * next to nothing. Each that is opened owns what is created through it, also where the same ID is
   * opened twice.
   *
   * @example
   * await using session = sandboxes.session("user-42")
   * const sandbox = await session.create()
   */
  readonly session: (sessionId: string, options?: PromiseSessionOptions) => PromiseSandboxes
  /**
   * Ends what is under way, and removes the sandboxes that were created here, unless `removeOnClose`
   * is false. What `session` returned closes itself alone; what `createSandboxes` returned closes all
   * sessions, and lets go of the driver.
   *
   * @example
   * const session = sandboxes.session("user-42", { removeOnClose: false })
   * await session.close()
   */
  readonly close: () => Promise<void>
}

/** Session storage: one that all sessions share, or a function that gives each session its own. */
export type SessionStorage =
  | Layer.Layer<SessionFiles, CordonError>
  | ((sessionId: string) => Layer.Layer<SessionFiles, CordonError>)

/** How a session is opened. */
export interface PromiseSessionOptions {
  /** Where its uploads come from and its downloads go to, if not where those of the others do. */
  readonly files?: Layer.Layer<SessionFiles, CordonError> | undefined
  /** Whether closing it removes what was created through it; as for the others by default. */
  readonly removeOnClose?: boolean | undefined
}

/** What sandboxes run on, and how they are made and kept. */
export interface CreateSandboxesOptions extends SettingsInput, LoggingOptions {
  /** A driver's layer: `memory()`, `docker()`. */
  readonly driver: Layer.Layer<SandboxDriver, CordonError>
  /**
   * Has this program be the way out of sandboxes with rules: `egressBroker()` of `@cordon/egress`. None by default: rules are
   * refused then.
   */
  readonly egressBroker?: Layer.Layer<EgressBroker, CordonError> | undefined
  /** Who owns the sandboxes; a random one by default. Give your own to find them again later. */
  readonly sessionId?: string | undefined
  /** Where uploads come from and downloads go to; memory of each session's own by default. */
  readonly files?: SessionStorage | undefined
  /** Where leases are kept; memory by default. */
  readonly leaseStore?: Layer.Layer<LeaseStore, CordonError> | undefined
}
