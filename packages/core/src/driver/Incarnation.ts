import { Context, Effect } from "effect"
import { SandboxNotFound } from "../errors.ts"
import type { SandboxInfo } from "../values/Sandbox.ts"

/** One incarnation of a sandbox: after remove and create the same ID has another. */
export type SandboxTarget = Pick<SandboxInfo, "id" | "instanceId">

/**
 * The incarnation that whoever runs holds a lease on. It travels with the fiber, as a deadline
 * would: each operation of a driver needs it, and none of their callers can forget it.
 */
export const Incarnation = Context.Reference<SandboxTarget | undefined>(
  "@cordon/core/Incarnation",
  { defaultValue: () => undefined },
)

/**
 * Fails if the caller holds a lease on another incarnation of this sandbox. Drivers ask it before
 * they act on what an ID stands for.
 */
export const requireIncarnation = (found: SandboxTarget): Effect.Effect<void, SandboxNotFound> =>
  Effect.flatMap(Incarnation, (wanted) =>
    wanted === undefined || wanted.id !== found.id || wanted.instanceId === found.instanceId
      ? Effect.void
      : Effect.fail(new SandboxNotFound({ sandbox: found.id })),
  )
