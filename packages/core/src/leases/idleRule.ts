import type { SandboxInfo } from "../values/Sandbox.ts"
import type { Lease } from "./Lease.ts"

/** What has to be done with a sandbox. */
export type IdleDecision = "keep" | "stop" | "remove"

/** The parts of a lease that decide whether its sandbox is due. */
export type IdleLease = Pick<Lease, "phase" | "unusedFor" | "idleTimeout" | "removeTimeout">

/**
 * The rule that an idle sandbox stops. An active sandbox is stopped when nobody has used it for its idle
 * timeout. Every sandbox is removed when nobody has used it for its remove timeout, and in any case when its
 * removal has begun or its host could not end it.
 *
 * SQL stores repeat this rule in their query for due leases.
 */
export const idleDecision = (lease: IdleLease): IdleDecision => {
  if (lease.phase === "removing" || lease.phase === "condemned") return "remove"
  if (lease.unusedFor >= lease.removeTimeout) return "remove"
  return lease.phase === "active" && lease.unusedFor >= lease.idleTimeout ? "stop" : "keep"
}

/** Whether a lease has to be acted on. */
export const isDue = (lease: IdleLease): boolean => idleDecision(lease) !== "keep"

/**
 * Whether a program with a lease store of its own uses this sandbox, by what the host says of it. A sandbox
 * that somebody else uses is not idle.
 */
export const isUsedElsewhere = (
  { busy, unusedElsewhereFor }: Pick<SandboxInfo, "busy" | "unusedElsewhereFor">,
  { idleTimeout }: Pick<Lease, "idleTimeout">,
): boolean =>
  busy === true || (unusedElsewhereFor !== undefined && unusedElsewhereFor < idleTimeout)
