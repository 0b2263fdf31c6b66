import { EngineUnreachable, type ExecRequest } from "@cordon/core"
import { Clock, Duration, Effect } from "effect"

// Milliseconds, beyond a command's timeout, that a busy engine may take to locate and connect.
const preparing = 8000
// Milliseconds after a command's timeout in which its call ends in every case. The promise is 10
// seconds.
const ending = 9500

/** A command's deadline. Its time starts with the call, and includes locating the sandbox and connecting. */
export interface Deadline {
  /** Limits the steps before the command to the remaining time. */
  readonly before: <A, E, R>(
    prepare: Effect.Effect<A, E, R>,
  ) => Effect.Effect<A, E | EngineUnreachable, R>
  /** Milliseconds that the command may run; unlimited if undefined. */
  readonly timeout: () => number | undefined
  /** Milliseconds left to find out how it ended; unlimited if undefined. */
  readonly rest: () => number | undefined
}

const unlimited: Deadline = {
  before: (prepare) => prepare,
  timeout: () => undefined,
  rest: () => undefined,
}

/**
 * The deadline of a command that is called now.
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
      reason: "it did not answer before the command's timeout; the command was not started",
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
