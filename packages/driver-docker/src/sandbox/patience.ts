import { EngineUnreachable, type HostError } from "@cordon/core"
import {
  type Array as Arr,
  Duration,
  Effect,
  Fiber,
  type Pull,
  Schedule,
  Scope,
  Stream,
} from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import { later } from "./later.ts"

/**
 * Does what has to be done, and waits for it some seconds. An engine that hangs must not hold up
 * whoever gave a call up; what was begun goes on by itself.
 */
export const soonOrLater = (work: Effect.Effect<unknown>): Effect.Effect<void> =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkDetach(work)
    // Not to be made interruptible: who gave the call up is interrupted already.
    yield* Effect.raceFirst(Fiber.await(fiber), Effect.sleep("4 seconds"))
  })

/** How long an engine that hangs, or is being restarted, is asked again to kill a command. */
const killing = Schedule.max([Schedule.spaced("1 second"), Schedule.recurs(20)])

/** Kills a command nobody waits for any more, as soon as the engine can. */
export const killLater = (sandbox: string, kill: Effect.Effect<unknown, HostError>) =>
  soonOrLater(
    kill.pipe(
      Effect.retry({ schedule: killing, while: ({ _tag }) => _tag === "EngineUnreachable" }),
      Effect.catch((error) =>
        Effect.logWarning("Could not kill a command", { sandbox, error: error.message }),
      ),
    ),
  )

/** Fails once the engine answers nothing at all, asked twice. */
const silence = (engine: DockerEngine["Service"]): Effect.Effect<never, EngineUnreachable> => {
  const hung = new EngineUnreachable({
    endpoint: engine.endpoint,
    reason:
      "it went silent before a command whose time is up was killed, which may still be running",
  })
  return engine.version.pipe(
    Effect.timeoutOrElse({ duration: "3 seconds", orElse: () => Effect.fail(hung) }),
    Effect.catchTag("EngineError", () => Effect.void),
    Effect.retry({ schedule: Schedule.spaced("1 second"), times: 1 }),
    Effect.andThen(Effect.sleep("1 second")),
    Effect.forever,
  )
}

/**
 * Holds a command to its timeout where the engine can't: once that is over and the engine answers
 * nothing, the stream fails, and what is left of the command is killed when the engine is back.
 */
export const withDeadline = <A, E>(
  engine: DockerEngine["Service"],
  timeout: Duration.Duration | undefined,
  stream: Stream.Stream<A, E>,
): Stream.Stream<A, E | EngineUnreachable> => {
  if (timeout === undefined) return stream
  const deadline = Duration.sum(timeout, Duration.seconds(1))
  const open = Effect.gen(function* () {
    const scope = yield* Scope.make()
    const run = Effect.runForkWith(yield* Effect.context<never>())
    let pulling: Fiber.Fiber<unknown, unknown> | undefined
    let hung: EngineUnreachable | undefined
    let giveUp = () => {}
    const leave = Effect.suspend(() =>
      pulling === undefined ? Effect.void : soonOrLater(Fiber.interrupt(pulling)),
    )
    yield* Effect.addFinalizer((exit) => Effect.andThen(leave, Scope.close(scope, exit)))
    const watch = Effect.catch(silence(engine), (error) =>
      Effect.sync(() => {
        hung = error
        giveUp()
      }),
    )
    yield* Scope.provide(later(deadline, watch), scope)
    const next = yield* Scope.provide(Stream.toPull(stream), scope)
    const step: Pull.Pull<Arr.NonEmptyReadonlyArray<A>, E | EngineUnreachable> = Effect.callback(
      (resume) => {
        giveUp = () => {
          if (hung !== undefined) resume(Effect.fail(hung))
        }
        if (hung !== undefined) return giveUp()
        const fiber = run(next)
        pulling = fiber
        fiber.addObserver((exit) => {
          pulling = undefined
          resume(exit)
        })
        return Effect.suspend(() => soonOrLater(Fiber.interrupt(fiber)))
      },
    )
    return Stream.fromPull(Effect.succeed(step))
  })
  return Stream.unwrap(open)
}
