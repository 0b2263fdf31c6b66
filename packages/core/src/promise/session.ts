import { Effect, Scope } from "effect"
import { checkInput } from "../input/checkInput.ts"
import { Sandboxes } from "../Sandboxes.ts"
import type { Sandbox } from "../sandbox/Sandbox.ts"
import type { SandboxSession } from "../session/SandboxSession.ts"
import type { SettingsInput } from "../settings/SettingsInput.ts"
import { backSession, type SessionBacking } from "./backing.ts"
import { onStep } from "./convert.ts"
import { handleOf } from "./handle.ts"
import { methodsOn } from "./methods.ts"
import type { PromiseSandboxes, PromiseSessionOptions } from "./PromiseSandboxes.ts"
import { deriveRuntime, type PromiseRuntime } from "./runtime.ts"
import { sessionShapes } from "./shapes.ts"
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
  const { promise } = methodsOn(runtime)
  const within = <A, E>(use: (session: SandboxSession) => Effect.Effect<A, E>) =>
    Effect.flatMap(session, use)
  const toPromises = Effect.map((sandbox: Sandbox) => handleOf(backing, sandbox))
  const face: PromiseSandboxes = {
    sessionId,
    create: promise("create", ({ signal: _, onProgress, ...options } = {}) =>
      toPromises(within((session) => session.create(options, onStep(onProgress)))),
    ),
    get: promise("get", (reference, { signal: _, ...options } = {}) =>
      toPromises(within((session) => session.get(reference, options))),
    ),
    list: promise(["nothing", "list"], () => within((session) => session.list)),
    find: promise("find", (filter) => within((session) => session.find(filter))),
    snapshots: {
      list: promise(["nothing", "snapshots.list"], () =>
        within((session) => session.snapshots.list),
      ),
      remove: promise(["named", "snapshots.remove"], (name) =>
        within((session) => session.snapshots.remove(name)),
      ),
    },
    capabilities: promise(["nothing", "capabilities"], () =>
      Effect.flatMap(Sandboxes, (sandboxes) => sandboxes.capabilities),
    ),
    session: (other, options) => {
      checkInput("ID of a session", sessionShapes.id, other)
      checkInput("options of session", sessionShapes.options, options)
      return derivedSession(root, other, options)
    },
    close,
    [Symbol.asyncDispose]: close,
  }
  return backSession(face, backing)
}
