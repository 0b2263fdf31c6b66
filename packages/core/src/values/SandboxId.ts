import { createHash } from "node:crypto"
import { Schema } from "effect"
import type { SandboxInfo } from "./Sandbox.ts"
import { SandboxName } from "./SandboxName.ts"
import type { SessionKey } from "./Session.ts"

/**
 * Identifies a sandbox on its host: `cordon-<16 hex digits of the session key>-<name>`.
 * It is derived and never allotted, so that two processes of one session name the same sandbox the
 * same way and the host's own uniqueness of names decides every race to create it.
 */
export const SandboxId = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^cordon-[0-9a-f]{16}-[a-z0-9](?:[a-z0-9-]{0,36}[a-z0-9])?$/)),
  Schema.brand("SandboxId"),
)
export type SandboxId = typeof SandboxId.Type

const prefix = (session: SessionKey) => `cordon-${session.slice(0, 16)}-`

/** The ID of the sandbox with this name in this session. */
export const sandboxId = (session: SessionKey, name: SandboxName): SandboxId =>
  SandboxId.make(prefix(session) + name)

/**
 * Reads a reference that a caller gave, either a name or an ID of *this* session. Anything else,
 * another session's ID included, is `undefined`: to a session, foreign sandboxes do not exist.
 */
export const resolveSandboxId = (session: SessionKey, reference: string): SandboxId | undefined => {
  const own = prefix(session)
  const name = reference.startsWith(own) ? reference.slice(own.length) : reference
  return Schema.is(SandboxName)(name) ? sandboxId(session, name) : undefined
}

/**
 * By what a lease store knows a sandbox that is condemned: one incarnation, so that its ID can have
 * another one.
 */
export const condemnedId = (sandbox: Pick<SandboxInfo, "id" | "instanceId">): SandboxId =>
  SandboxId.make(
    sandbox.id.slice(0, "cordon-0123456789abcdef-".length) +
      createHash("sha256").update(sandbox.instanceId).digest("hex").slice(0, 38),
  )
