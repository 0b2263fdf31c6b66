import { Context, Duration, Effect, Exit, Layer, type Scope } from "effect"
import type { CordonError } from "../errors.ts"
import { SessionFiles } from "../SessionFiles.ts"
import { sessionFilesMemory } from "../session-files/memory.ts"
import type { SessionStorage } from "./PromiseSandboxes.ts"

/** The storage of one session. */
export interface Storage {
  readonly storage: Effect.Effect<SessionFiles["Service"], CordonError>
  /** Whether it is that of other sessions too. */
  readonly shared: boolean
}

/** The storage of sessions, made for each when it is first asked for. */
export type StorageOf = (sessionId: string, scope: Scope.Scope) => Storage

const opened = (layer: Layer.Layer<SessionFiles, CordonError>, scope: Scope.Scope) =>
  Effect.runSync(
    Effect.cachedWithTTL(
      Effect.uninterruptible(
        // Memory must not be taken for that of another session.
        Effect.map(Layer.buildWithScope(Layer.fresh(layer), scope), (services) =>
          Context.get(services, SessionFiles),
        ),
      ),
      (exit) => (Exit.isSuccess(exit) ? Duration.infinity : 0),
    ),
  )

/** A layer is one storage for all sessions; a function gives each its own, and so does memory. */
export const storageOf = (files: SessionStorage | undefined, whole: Scope.Scope): StorageOf => {
  if (files === undefined || typeof files === "function") {
    return (sessionId, scope) => ({
      storage: opened(files?.(sessionId) ?? sessionFilesMemory, scope),
      shared: false,
    })
  }
  const storage = opened(files, whole)
  return () => ({ storage, shared: true })
}
