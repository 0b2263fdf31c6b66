import { Effect } from "effect"
import type { DriverCapabilities } from "../driver/capabilities.ts"
import type { WaysOut } from "../egress/waysOut.ts"
import type { HostError } from "../errors.ts"
import type { Leases } from "../Leases.ts"
import type { SandboxDriver } from "../SandboxDriver.ts"
import type { Settings } from "../Settings.ts"
import type { SandboxInfo } from "../values/Sandbox.ts"
import type { SessionKey } from "../values/Session.ts"
import type { Owner } from "./Owner.ts"
import type { SecretsInMemory } from "./Secrets.ts"
import type { WarnUnenforced } from "./unenforced.ts"

/** What all sessions of one `Sandboxes` share. */
export interface SharedContext {
  readonly driver: SandboxDriver["Service"]
  readonly leases: Leases["Service"]
  readonly settings: Settings["Service"]
  /** The driver's, asked again after a minute. */
  readonly capabilities: Effect.Effect<DriverCapabilities, HostError>
  readonly secrets: SecretsInMemory
  readonly waysOut: WaysOut
  readonly warnUnenforced: WarnUnenforced
}

/** What one opened session needs. */
export interface SessionContext extends SharedContext {
  readonly key: SessionKey
  /** Closes with the session, and removes what was created through it. */
  readonly owner: Owner
}

/** Lets go of what only this program's memory has of a sandbox that is gone. */
export const forget = (
  { secrets, waysOut }: SharedContext,
  info: SandboxInfo,
): Effect.Effect<void> =>
  Effect.andThen(
    Effect.sync(() => secrets.delete(info.instanceId)),
    waysOut.drop(info),
  )
