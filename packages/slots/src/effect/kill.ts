import type { Sandbox } from "@cordon/core"
import { Deferred, Effect, Fiber, type PlatformError } from "effect"
import type { ChildProcess } from "effect/process"
import { type Place, platformError, systemError } from "./failure.ts"
import type { Outputs } from "./outputs.ts"

type Failure = PlatformError.PlatformError

// The command is the first process of its group.
const signalScript = `kill -s "$1" -- "-$2" 2>/dev/null || kill -s "$1" "$2"`

// After a signal has ended a command, its remaining processes get a second to end.
const sweepScript = `left=10
while [ $left -gt 0 ] && kill -s 0 -- "-$1" 2>/dev/null; do
  left=$((left - 1))
  sleep 0.1
done
kill -s KILL -- "-$1" 2>/dev/null
true`

/** Ends a command, and returns once it has ended; no effect on one that has. */
export const makeKill = (needs: {
  readonly sandbox: Sandbox
  readonly place: Place
  readonly pid: number
  /** Whether the command is a real process that accepts signals. */
  readonly isLive: boolean
  readonly isRunning: Effect.Effect<boolean>
  readonly exit: Deferred.Deferred<number, Failure>
  readonly outputs: Outputs
  /** Follows the command; process 1 kills it, and all that it started, when that is interrupted. */
  readonly fiber: Fiber.Fiber<void>
}) => {
  const { sandbox, pid, isLive, isRunning, exit, outputs, fiber } = needs
  const place: Place = { ...needs.place, method: "kill" }

  const inShell = (script: string, ...args: ReadonlyArray<string>) =>
    sandbox
      .exec(["/bin/sh", "-c", script, "sh", ...args], { timeout: "10 seconds" })
      .pipe(Effect.mapError(platformError(place)))

  const signal = Effect.fnUntraced(function* (name: ChildProcess.Signal) {
    const { exitCode } = yield* inShell(signalScript, name.slice("SIG".length), String(pid))
    if (exitCode === 0 || !(yield* isRunning)) return
    yield* Effect.fail(systemError(place, "Unknown", `${name} is not sent`))
  })

  return Effect.fnUntraced(function* ({
    killSignal = "SIGTERM",
    forceKillAfter,
  }: ChildProcess.KillOptions = {}) {
    if (!(yield* isRunning)) return
    outputs.leave()
    if (isLive && killSignal !== "SIGKILL") {
      yield* signal(killSignal)
      const gone = Effect.exit(Deferred.await(exit))
      yield* forceKillAfter === undefined ? gone : Effect.timeoutOption(gone, forceKillAfter)
      if (!(yield* isRunning)) return yield* Effect.ignore(inShell(sweepScript, String(pid)))
    }
    yield* Fiber.interrupt(fiber)
  })
}
