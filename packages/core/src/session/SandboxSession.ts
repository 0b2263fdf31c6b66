import type { Effect } from "effect"
import type { PullProgress } from "../driver/lifecycle.ts"
import type { SetError } from "../egress/waysOut.ts"
import type {
  Closed,
  CreateError,
  HostError,
  InvalidInput,
  LeaseLost,
  LeaseStoreFailed,
  NotAllowed,
  SandboxNotFound,
  SnapshotInUse,
  SnapshotNotFound,
  Unsupported,
} from "../errors.ts"
import type { Sandbox } from "../sandbox/Sandbox.ts"
import type { CreateOptions, SandboxInfo, SnapshotInfo } from "../values/Sandbox.ts"
import type { SandboxFilter, SandboxPage } from "./finding.ts"
import type { CreateSecrets, GetOptions } from "./Secrets.ts"

/** The snapshots of one session. Those of other sessions do not exist for it. */
export interface Snapshots {
  /**
   * All snapshots of the session, oldest first.
   *
   * @example
   * for (const { name, createdAt } of yield* session.snapshots.list) yield* Console.log(name, createdAt)
   */
  readonly list: Effect.Effect<ReadonlyArray<SnapshotInfo>, Unsupported | HostError | Closed>
  /**
   * Removes a snapshot. Fails with `SnapshotInUse` while a sandbox that was made from it exists.
   *
   * @example
   * yield* session.snapshots.remove("installed")
   */
  readonly remove: (
    name: string,
  ) => Effect.Effect<
    void,
    InvalidInput | SnapshotNotFound | SnapshotInUse | Unsupported | HostError | Closed
  >
}

/** How a session is opened. */
export interface SessionOptions {
  /**
   * Whether closing the session removes the sandboxes that were created through it. Default:
   * `Settings.removeOnClose`, true.
   */
  readonly removeOnClose?: boolean | undefined
}

/** The sandboxes of one session. Those of other sessions do not exist for it. */
export interface SandboxSession {
  /**
   * Creates a sandbox and starts it. `onProgress` is called while its image is pulled. Fails with
   * `NotAllowed` where the options ask for more than the policy allows, and with `QuotaExceeded` where the
   * session or the host has no room.
   *
   * @example
   * ```ts
   * const sandbox = yield* session.create({ image: "python:3.12", limits: { memory: "1GiB" } })
   * ```
   */
  readonly create: (
    options?: CreateOptions & CreateSecrets,
    onProgress?: (progress: PullProgress) => Effect.Effect<void>,
  ) => Effect.Effect<
    Sandbox,
    CreateError | InvalidInput | SnapshotNotFound | LeaseLost | LeaseStoreFailed | Closed | SetError
  >
  /**
   * Finds a sandbox by its name or ID. Fails with `SandboxNotFound` where the session has none.
   *
   * @example
   * const sandbox = yield* session.get("web")
   */
  readonly get: (
    reference: string,
    options?: GetOptions,
  ) => Effect.Effect<
    Sandbox,
    SandboxNotFound | InvalidInput | NotAllowed | HostError | Closed | SetError
  >
  /**
   * All sandboxes of the session, oldest first.
   *
   * @example
   * for (const { name, status } of yield* session.list) yield* Console.log(name, status)
   */
  readonly list: Effect.Effect<ReadonlyArray<SandboxInfo>, HostError | Closed>
  /**
   * Finds sandboxes by tags and status, oldest first, a page at a time (100 by default).
   *
   * @example
   * ```ts
   * const { sandboxes, next } = yield* session.find({ tags: { team: "a" }, status: "running" })
   * ```
   */
  readonly find: (
    filter?: SandboxFilter,
  ) => Effect.Effect<SandboxPage, InvalidInput | HostError | Closed>
  /** Lists and removes snapshots; `Sandbox.snapshot` takes them. */
  readonly snapshots: Snapshots
}
