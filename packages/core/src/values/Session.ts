import { createHash } from "node:crypto"
import { Schema } from "effect"
import { wellFormed } from "./Text.ts"

const expected = "a session ID of 1 to 256 characters"

/**
 * Names the agent session that owns sandboxes: 1 to 256 characters, chosen by the embedding program.
 * It must be well-formed Unicode, since IDs that are not would have one key.
 * It never leaves the process: engines see only {@link SessionKey}.
 */
export const SessionId = Schema.String.pipe(
  Schema.check(
    Schema.isMinLength(1, { expected }),
    Schema.isMaxLength(256, { expected }),
    wellFormed,
  ),
  Schema.brand("SessionId"),
  Schema.annotate({ title: "SessionId" }),
)
export type SessionId = typeof SessionId.Type

/** SHA-256 of a session ID, 64 lower-case hex digits: what drivers store and compare to decide ownership. */
export const SessionKey = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^[0-9a-f]{64}$/)),
  Schema.brand("SessionKey"),
)
export type SessionKey = typeof SessionKey.Type

/** Derives the key under which drivers know a session. One-way: a label or a name does not tell the ID. */
export const sessionKey = (id: SessionId): SessionKey =>
  SessionKey.make(createHash("sha256").update(id, "utf8").digest("hex"))
