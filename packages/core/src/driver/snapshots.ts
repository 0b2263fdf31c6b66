import type { Effect } from "effect"
import type {
  HostError,
  SandboxNotFound,
  SnapshotInUse,
  SnapshotNameTaken,
  SnapshotNotFound,
  Unsupported,
} from "../errors.ts"
import type { EgressPolicy } from "../values/Egress.ts"
import type { SnapshotInfo } from "../values/Sandbox.ts"
import type { SandboxId } from "../values/SandboxId.ts"
import type { SandboxName } from "../values/SandboxName.ts"
import type { SessionKey } from "../values/Session.ts"

/** A snapshot that was just taken. */
export interface TakenSnapshot extends SnapshotInfo {
  /** The allow-list of the sandbox, where it has one. */
  readonly egress?: EgressPolicy | undefined
}

/** How a driver keeps the files of sandboxes as images. */
export interface DriverSnapshots {
  /**
   * Keeps the files of a sandbox as an image, from which its session can make other sandboxes. Other sessions can't
   * use or see it. The image does not hold the sandbox's memory.
   *
   * @param options.passing whether the snapshot is left out of lists, and removed together with the last sandbox that
   * is made from it, or by `sweep` if none is made
   */
  readonly snapshot: (
    id: SandboxId,
    name: SandboxName,
    options?: { readonly passing?: boolean },
  ) => Effect.Effect<TakenSnapshot, SnapshotNameTaken | SandboxNotFound | Unsupported | HostError>

  /**
   * The snapshots on the host, oldest first: all of them, or those of one session.
   *
   * @param passing whether passing snapshots are listed too
   */
  readonly snapshots: (
    session?: SessionKey,
    passing?: boolean,
  ) => Effect.Effect<ReadonlyArray<SnapshotInfo>, Unsupported | HostError>

  /** Removes a snapshot with its image; `SnapshotInUse` while a sandbox that was made from it exists. */
  readonly removeSnapshot: (
    session: SessionKey,
    name: SandboxName,
  ) => Effect.Effect<void, SnapshotNotFound | SnapshotInUse | Unsupported | HostError>
}
