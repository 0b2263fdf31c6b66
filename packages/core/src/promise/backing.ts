import type { Effect } from "effect"
import type { CordonError, InvalidInput } from "../errors.ts"
import type { Sandboxes } from "../Sandboxes.ts"
import type { SessionFiles } from "../SessionFiles.ts"
import type { Sandbox } from "../sandbox/Sandbox.ts"
import type { SandboxSession } from "../session/SandboxSession.ts"
import type { SettingsInput } from "../settings/SettingsInput.ts"
import type { PromiseSandbox } from "./PromiseSandbox.ts"
import type { PromiseSandboxes } from "./PromiseSandboxes.ts"
import type { PromiseRuntime } from "./runtime.ts"

/** What a session of the Promise facade stands on, for other faces over the same session. */
export interface SessionBacking {
  /** The session's ID, as the program gave it. */
  readonly sessionId: string
  /** What the session's calls run on. */
  readonly runtime: PromiseRuntime
  /** What the program set; the same object for all sessions of one `createSandboxes`. */
  readonly settings: SettingsInput
  /** The session of the Effect API; fails where the settings or the driver do. */
  readonly session: Effect.Effect<SandboxSession, InvalidInput | CordonError, Sandboxes>
  /** Session storage, made when it is first asked for. */
  readonly storage: Effect.Effect<SessionFiles["Service"], CordonError>
  /** Whether other sessions see the same storage. */
  readonly sharedStorage: boolean
}

/** What a sandbox of the Promise facade stands on. */
export interface SandboxBacking {
  /** The session that the sandbox belongs to. */
  readonly session: SessionBacking
  /** The sandbox of the Effect API. */
  readonly sandbox: Sandbox
}

const sessions = new WeakMap<object, SessionBacking>()
const sandboxes = new WeakMap<object, SandboxBacking>()

/** Remembers what a face stands on. */
export const backSession = (face: PromiseSandboxes, backing: SessionBacking): PromiseSandboxes => {
  sessions.set(face, backing)
  return face
}

/** Remembers what a face stands on. */
export const backSandbox = (face: PromiseSandbox, backing: SandboxBacking): PromiseSandbox => {
  sandboxes.set(face, backing)
  return face
}

/** For packages that build another face over a session; undefined for what is not ours. */
export const backingOfSession = (face: PromiseSandboxes): SessionBacking | undefined =>
  sessions.get(face)

/** For packages that build another face over a sandbox; undefined for what is not ours. */
export const backingOfSandbox = (face: PromiseSandbox): SandboxBacking | undefined =>
  sandboxes.get(face)
