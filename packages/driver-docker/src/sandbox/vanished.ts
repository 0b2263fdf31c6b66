import { EngineUnreachable, type HostError, SandboxNotFound } from "@cordon/core"
import { Effect } from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import { isEngineError } from "./creation.ts"
import type { EventHub } from "./events.ts"

/**
 * Finds out what became of a command that the engine no longer knows. It ended where its container
 * did. Where the container runs on, the engine was restarted and has forgotten it (with
 * `live-restore`), and the command may well be running.
 *
 * @param deathsBefore how often the container had ended before the command began
 */
export const requireEnded = (
  engine: DockerEngine["Service"],
  hub: EventHub,
  target: { readonly id: string; readonly instanceId: string },
  deathsBefore: number,
): Effect.Effect<void, SandboxNotFound | HostError> =>
  Effect.gen(function* (): Effect.fn.Return<void, SandboxNotFound | HostError> {
    const { State } = yield* engine
      .containerInspect(target.instanceId)
      .pipe(
        Effect.catchIf(isEngineError(404), () =>
          Effect.fail(new SandboxNotFound({ sandbox: target.id })),
        ),
      )
    if (!State.Running || (yield* hub.sawDeath(target.instanceId, deathsBefore))) return
    return yield* new EngineUnreachable({
      endpoint: engine.endpoint,
      reason: "it was restarted while a command ran, which may still be running",
    })
  })
