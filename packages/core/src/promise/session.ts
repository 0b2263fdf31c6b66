import { Effect, Scope } from "effect"
import type { PullProgress } from "../SandboxDriver.ts"
import { Sandboxes } from "../Sandboxes.ts"
import type { SettingsInput } from "../Settings.ts"
import { backSession, type SessionBacking } from "./backing.ts"
import { onStep } from "./convert.ts"
import { handleOf } from "./handle.ts"
import type { PromiseSandboxes, PromiseSessionOptions } from "./PromiseSandboxes.ts"
import { deriveRuntime, type PromiseRuntime, run } from "./runtime.ts"
import { type StorageOf, storageOf } from "./storage.ts"

/** What the sessions of one `createSandboxes` have in common. */
export interface Root {
  readonly runtime: PromiseRuntime
  readonly sessionId: string
  readonly settings: SettingsInput
  readonly storageOf: StorageOf
}

/** Names a session in an error. */
export const subjectOf = (sessionId: string) => `session ${JSON.stringify(sessionId)}`

/** The session that closes all others with it. */
export const rootSession = (root: Root): PromiseSandboxes => {
  const { runtime, sessionId, settings } = root
  const session = Effect.flatMap(Sandboxes, (sandboxes) => sandboxes.session(sessionId))
  const { storage } = root.storageOf(sessionId, runtime.scope)
  return faceOf(root, { sessionId, runtime, settings, session, storage, sharedStorage: false })
}

/** A session that closes by itself, or with the root. */
const derivedSession = (
  root: Root,
  sessionId: string,
  { files, removeOnClose }: PromiseSessionOptions = {},
): PromiseSandboxes => {
  const runtime = deriveRuntime(root.runtime, subjectOf(sessionId))
  const options = removeOnClose === undefined ? {} : { removeOnClose }
  // Opened once, by the first call: what is created through it is then its own.
  const session = Effect.runSync(
    Effect.cached(
      Effect.uninterruptible(
        Effect.flatMap(Sandboxes, (sandboxes) => sandboxes.openSession(sessionId, options)),
      ).pipe(Effect.provideService(Scope.Scope, runtime.scope)),
    ),
  )
  const own = files === undefined ? root.storageOf : storageOf(() => files, runtime.scope)
  const { storage, shared } = own(sessionId, runtime.scope)
  const sharedStorage = shared && sessionId !== root.sessionId
  const { settings } = root
  return faceOf(root, { sessionId, runtime, settings, session, storage, sharedStorage })
}

const faceOf = (root: Root, backing: SessionBacking): PromiseSandboxes => {
  const { sessionId, runtime, session } = backing
  const { close } = runtime
  const face: PromiseSandboxes = {
    sessionId,
    create: async ({ signal, onProgress, ...options } = {}) => {
      const report = onStep<PullProgress>(onProgress)
      return await run(
        runtime,
        Effect.flatMap(session, (session) => session.create(options, report)),
        signal === undefined ? {} : { signal },
      ).then((sandbox) => handleOf(backing, sandbox))
    },
    get: async (reference, options) =>
      handleOf(
        backing,
        await run(
          runtime,
          Effect.flatMap(session, (session) => session.get(reference, options)),
          options,
        ),
      ),
    list: (options) =>
      run(
        runtime,
        Effect.flatMap(session, (session) => session.list),
        options,
      ),
    snapshots: {
      list: (options) =>
        run(
          runtime,
          Effect.flatMap(session, (session) => session.snapshots.list),
          options,
        ),
      remove: (name, options) =>
        run(
          runtime,
          Effect.flatMap(session, (session) => session.snapshots.remove(name)),
          options,
        ),
    },
    capabilities: (options) =>
      run(
        runtime,
        Effect.flatMap(Sandboxes, (sandboxes) => sandboxes.capabilities),
        options,
      ),
    session: (other, options) => derivedSession(root, other, options),
    close,
    [Symbol.asyncDispose]: close,
  }
  return backSession(face, backing)
}
