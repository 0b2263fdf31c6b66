import { Clock, Deferred, Duration, Effect, type Scope, Semaphore } from "effect"
import { Closed, ShellUnavailable } from "../../errors.ts"
import type { SandboxContext } from "../context.ts"
import type { Commands } from "../exec/commands.ts"
import { beginInDriver } from "./beginInDriver.ts"
import { beginInFiles } from "./beginInFiles.ts"
import type { RunningShell } from "./RunningShell.ts"
import type { SandboxShell, ShellError, ShellExecOptions, ShellOptions } from "./SandboxShell.ts"

/** Starts a timer. The inner effect tells what is left of the time: at least 1 ms, the least that a command may have. */
const restOf = (timeout: Duration.Duration) =>
  Effect.map(Clock.currentTimeMillis, (begun) =>
    Effect.map(Clock.currentTimeMillis, (now) =>
      Duration.max(Duration.subtract(timeout, Duration.millis(now - begun)), Duration.millis(1)),
    ),
  )

/** Opens lasting shells of one sandbox, each until its scope closes. */
export const makeShells = (context: SandboxContext, commands: Commands) =>
  Effect.fn("Sandbox.shell")(function* (
    options: ShellOptions = {},
  ): Effect.fn.Return<SandboxShell, ShellError, Scope.Scope> {
    const { shells } = context.driver
    const start = (timeout?: Duration.Duration): Effect.Effect<RunningShell, ShellError> =>
      shells === undefined
        ? beginInFiles(context, commands, options, timeout)
        : beginInDriver(context, commands, shells, options, timeout)
    const inTurn = yield* Semaphore.make(1)
    const closing = yield* Deferred.make<never, Closed>()
    let status = 0
    let running: RunningShell = yield* Effect.acquireRelease(start(), () =>
      Effect.andThen(
        Deferred.fail(closing, new Closed({ subject: "shell" })),
        // The running command is killed first. Errors are ignored: the sandbox may be gone.
        inTurn.withPermit(Effect.ignore(Effect.suspend(() => running.end))),
      ),
    )

    const runOne = Effect.fnUntraced(function* (script: string, options: ShellExecOptions) {
      const { timeout: given } = options
      // Checked before the script is wrapped in a longer one, so that an error is about this script.
      const { timeout } = yield* commands.prepare(script, { timeout: given })
      const rest = yield* restOf(timeout)
      const first = yield* running.run(script, status, options, rest)
      if (first !== "lost") return { ...first, anew: false }
      running = yield* start(yield* rest)
      status = 0
      const { stdin } = options
      if (stdin !== undefined && typeof stdin !== "string" && !(stdin instanceof Uint8Array)) {
        return yield* new ShellUnavailable({
          reason:
            "the files with its state were gone, so it was started again; the command was not run, because its input can't be read twice",
        })
      }
      const again = { ...options, timeout: yield* rest }
      const second = yield* running.run(script, status, again, rest)
      if (second !== "lost") return { ...second, anew: true }
      return yield* new ShellUnavailable({ reason: "the files with its state disappear each time" })
    })

    return {
      exec: Effect.fn("SandboxShell.exec")(function* (script, options = {}) {
        const command = inTurn.withPermit(
          Effect.suspend(() =>
            Deferred.isDoneUnsafe(closing) ? Deferred.await(closing) : runOne(script, options),
          ).pipe(
            Effect.tap(({ exitCode }) =>
              Effect.sync(() => {
                status = exitCode
              }),
            ),
          ),
        )
        return yield* Effect.raceFirst(command, Deferred.await(closing))
      }),
    }
  })
