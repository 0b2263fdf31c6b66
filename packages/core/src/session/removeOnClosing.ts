import { Effect, Semaphore } from "effect"
import type { SandboxInfo } from "../values/Sandbox.ts"
import { forget, type SharedContext } from "./context.ts"

// Removals at a time.
const concurrency = 8

/** Removes what was created through a session that closes, and tells whether closing is done with it. */
export const makeRemoveOnClosing = (shared: SharedContext) =>
  Effect.map(
    Semaphore.make(concurrency),
    (removing) =>
      (info: SandboxInfo): Effect.Effect<boolean> =>
        removing.withPermit(shared.leases.remove(info)).pipe(
          Effect.ensuring(forget(shared, info)),
          Effect.as(true),
          Effect.catchTag("SandboxNotFound", () => Effect.succeed(true)),
          Effect.catch((error) =>
            Effect.as(
              Effect.logWarning("Could not remove a sandbox on closing", {
                sandbox: info.id,
                error,
              }),
              // The reaper removes a condemned sandbox: closing has no more to do.
              error._tag === "SandboxCondemned",
            ),
          ),
        ),
  )
