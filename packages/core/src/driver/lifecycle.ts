import { Data, type Duration, type Effect, type Stream } from "effect"
import type {
  CreateError,
  HostError,
  SandboxNotFound,
  SandboxNotRunning,
  Unsupported,
} from "../errors.ts"
import type { ImageAccess } from "../values/Registry.ts"
import type { SandboxInfo, SandboxSpec } from "../values/Sandbox.ts"
import type { SandboxId } from "../values/SandboxId.ts"
import type { SessionKey } from "../values/Session.ts"
import type { Tags } from "../values/Tags.ts"

/** A step of making an image available. */
export interface PullProgress {
  /** The image that is made available. */
  readonly image: string
  /** What the engine does now, in its words: `Downloading`. */
  readonly status: string
  /** The engine's ID of the layer that it is about; absent where it is about the whole image. */
  readonly layer?: string | undefined
  /** Bytes. */
  readonly current?: number | undefined
  /** Bytes in all; absent where that is not known. */
  readonly total?: number | undefined
}

/** Something that happened to a sandbox on the host, of whatever session and process. */
export type SandboxEvent = Data.TaggedEnum<{
  /** A sandbox was made. */
  Created: { readonly id: SandboxId }
  /** It runs: after its creation, a stop or a pause. */
  Started: { readonly id: SandboxId }
  /** It no longer runs: it has ended, or is paused. */
  Stopped: { readonly id: SandboxId }
  /** The host has it no longer. */
  Removed: { readonly id: SandboxId }
  /** Its memory limit killed one of its processes. */
  OutOfMemory: { readonly id: SandboxId }
}>
export const SandboxEvent = Data.taggedEnum<SandboxEvent>()

/** Errors of pausing and resuming. */
export type PauseError = SandboxNotFound | SandboxNotRunning | Unsupported | HostError

/** How a driver makes, stops, finds and removes sandboxes. */
export interface DriverLifecycle {
  /** Makes and starts a sandbox; it answers `exec` as soon as this succeeds. */
  readonly create: (
    request: {
      /** The sandbox's ID, which follows from `session` and the name in `spec`. */
      readonly id: SandboxId
      /** The session that it belongs to. */
      readonly session: SessionKey
      /** What the sandbox is made of. */
      readonly spec: SandboxSpec
      /**
       * The condemned incarnation of this ID, where the host still has it: the new one is
       * made beside it, and the ID stands for the new one from then on.
       */
      readonly instead?: string | undefined
      /**
       * The credentials to pull the image with; none where absent. They are no part of the spec, because drivers keep
       * the spec with the sandbox.
       */
      readonly access?: ImageAccess | undefined
    },
    onProgress?: (progress: PullProgress) => Effect.Effect<void>,
  ) => Effect.Effect<SandboxInfo, CreateError>

  /** Starts a stopped or paused sandbox; no effect on a running one. */
  readonly start: (id: SandboxId) => Effect.Effect<void, SandboxNotFound | HostError>

  /**
   * Sets how long a running sandbox goes on after the last program has disconnected from it, in milliseconds. It
   * holds until the next start, and has no effect on a sandbox that does not run. Absent where sandboxes do not end
   * by themselves.
   */
  readonly outlive?: (
    id: SandboxId,
    milliseconds: number,
  ) => Effect.Effect<void, SandboxNotFound | HostError>

  /** Stops a running sandbox, keeping its files; no effect on a stopped one. */
  readonly stop: (id: SandboxId) => Effect.Effect<void, SandboxNotFound | HostError>

  /**
   * Freezes a running sandbox with all its processes and what they hold in memory; no effect on a
   * paused one. `start` resumes it as well.
   */
  readonly pause: (id: SandboxId) => Effect.Effect<void, PauseError>

  /** Lets a paused sandbox go on; no effect on a running one. */
  readonly resume: (id: SandboxId) => Effect.Effect<void, PauseError>

  /**
   * Removes a sandbox with its files and its network. With `instanceId`, it removes only that incarnation, and fails
   * with `SandboxNotFound` where the ID has another one. Where the ID has none, it removes what an interrupted
   * `create` or `remove` left behind.
   */
  readonly remove: (
    id: SandboxId,
    instanceId?: string,
  ) => Effect.Effect<void, SandboxNotFound | HostError>

  /** The sandbox of an ID, as its host has it now. */
  readonly inspect: (id: SandboxId) => Effect.Effect<SandboxInfo, SandboxNotFound | HostError>

  /** The sandboxes on the host, oldest first: all of them, or those of one session, or those that have all of some tags. */
  readonly list: (
    session?: SessionKey,
    tags?: Tags,
  ) => Effect.Effect<ReadonlyArray<SandboxInfo>, HostError>

  /** Events from now on. The stream ends only by failing. */
  readonly events: Stream.Stream<SandboxEvent, HostError>

  /**
   * Removes what a crashed `create` left behind, such as a network without a sandbox, where it is older than
   * `olderThan`.
   *
   * @returns the names of what was removed
   */
  readonly sweep: (olderThan: Duration.Duration) => Effect.Effect<ReadonlyArray<string>, HostError>
}
