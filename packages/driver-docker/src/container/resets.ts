import { EngineUnreachable, type HostError } from "@cordon/core"
import { Deferred, Effect, Result } from "effect"
import type { InitLost } from "../init/errors.ts"
import type { InitConnection } from "../init/InitConnection.ts"
import { Stuck } from "./refusals.ts"

// How long a caller waits for a container to be restarted.
const patience = "8 seconds"

// The pause between two attempts to end a call.
const again = "10 seconds"

export interface ResetOptions {
  readonly init: Pick<InitConnection, "isOpen" | "lost" | "settled" | "unanswered">
  readonly endpoint: string
  /** Whether the container is paused: then its init can't end a call. */
  readonly isPaused: Effect.Effect<boolean, HostError>
  /** Ends the calls of a container. @returns whether it was restarted */
  readonly reset: Effect.Effect<boolean, HostError>
}

/** Resets of a container because calls over one connection did not end when told to. */
export interface Resets {
  /**
   * Resets the container whenever a call does not end.
   *
   * @returns when no reset can follow: the container was restarted, can't be ended, or the
   * connection is lost
   */
  readonly watch: Effect.Effect<"restarted" | "condemned" | "lost">
  /**
   * Waits at most 8 seconds until the calls that were told to end have ended.
   *
   * @returns whether the container was restarted
   */
  readonly outcome: Effect.Effect<boolean, InitLost | HostError | Stuck>
}

export const makeResets = ({ init, endpoint, isPaused, reset }: ResetOptions): Resets => {
  // The result of the reset in progress, or else of the next one.
  let result = Deferred.makeUnsafe<boolean, HostError>()
  let isResetting = false

  const mustReset = Effect.raceFirst(
    Effect.as(init.unanswered, true),
    Effect.as(init.lost, false),
  ).pipe(Effect.map((isUnanswered) => isUnanswered && init.isOpen))

  const resetOnce = Effect.suspend(() => {
    isResetting = true
    return Effect.tap(Effect.result(reset), (ended) => {
      isResetting = false
      return Deferred.complete(result, Effect.fromResult(ended))
    })
  })

  const watch = Effect.gen(function* () {
    while (yield* mustReset) {
      const ended = yield* resetOnce
      if (Result.isSuccess(ended) && ended.success) return "restarted"
      if (Result.isFailure(ended) && ended.failure._tag === "SandboxCondemned") return "condemned"
      result = Deferred.makeUnsafe()
      yield* Effect.sleep(again)
    }
    return "lost"
  })

  const ended = Effect.suspend(() => Deferred.await(result))

  // A reset loses the connection; its result says more than the loss.
  const lost = Effect.flatMap(init.lost, (error) =>
    isResetting || Deferred.isDoneUnsafe(result) ? ended : Effect.fail(error),
  )

  const stuck = Effect.suspend(() => {
    const reason = isResetting
      ? "the sandbox could not be restarted in time to end its command; remove it"
      : "the sandbox has not answered since it was told to end a command; the command may still be running"
    return Effect.fail(new Stuck(new EngineUnreachable({ endpoint, reason })))
  })

  const outcome = isPaused.pipe(
    Effect.catchTag("EngineUnreachable", (error) => Effect.fail(new Stuck(error))),
    Effect.flatMap((isPausedNow) =>
      isPausedNow
        ? Effect.succeed(false)
        : Effect.raceAllFirst([Effect.as(init.settled, false), ended, lost]),
    ),
    Effect.timeoutOrElse({ duration: patience, orElse: () => stuck }),
  )

  return { watch, outcome }
}
