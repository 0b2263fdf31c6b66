import { EngineUnreachable, type ExecRequest } from "@cordon/core"
import { Clock, Duration, Effect } from "effect"

// Milliseconds that a busy engine may take to find and connect, on top of a command's timeout.
const preparing = 8000
// Milliseconds after its timeout in which a command's call ends, whatever happens: 10 s and no more.
const ending = 9500

/** A command's time, which runs from its call on: also while the sandbox is found and connected to. */
export interface Deadline {
  /** Holds what comes before the command to the time that is left. */
  readonly before: <A, E, R>(
    prepare: Effect.Effect<A, E, R>,
  ) => Effect.Effect<A, E | EngineUnreachable, R>
  /** Milliseconds that the command may run; unlimited where undefined. */
  readonly timeout: () => number | undefined
  /** Milliseconds that are left to find out how it ended; unlimited where undefined. */
  readonly rest: () => number | undefined
}

const unlimited: Deadline = {
  before: (prepare) => prepare,
  timeout: () => undefined,
  rest: () => undefined,
}

/**
 * The time of a command that is called now.
 *
 * @param endpoint the engine's, for errors
 */
export const deadlineOf = (
  endpoint: string,
  request: Pick<ExecRequest, "timeout">,
): Effect.Effect<Deadline> =>
  Clock.clockWith((clock) => {
    if (request.timeout === undefined) return Effect.succeed(unlimited)
    const timeout = Duration.toMillis(request.timeout)
    const began = clock.monotonicTimeNanosUnsafe()
    const left = (millis: number) =>
      Math.max(0, timeout + millis - Number(clock.monotonicTimeNanosUnsafe() - began) / 1e6)
    const late = new EngineUnreachable({
      endpoint,
      reason: "it did not answer before a command's time was up; the command was not begun",
      delivered: "never",
    })
    return Effect.succeed({
      before: (prepare) =>
        Effect.suspend(() =>
          Effect.timeoutOrElse(prepare, {
            duration: left(preparing),
            orElse: () => Effect.fail(late),
          }),
        ),
      timeout: () => Math.min(timeout, left(preparing)),
      rest: () => left(ending),
    })
  })
