import { randomBytes } from "node:crypto"
import { Clock, Deferred, Duration, Effect, type Scope, Semaphore, Stream } from "effect"
import { Closed, type ExecError, type LeaseError, ShellUnavailable } from "../../errors.ts"
import type { ExecResult } from "../../values/Exec.ts"
import { sandboxPath } from "../../values/FilePath.ts"
import type { SandboxContext } from "../context.ts"
import type { Commands } from "../exec/commands.ts"
import type { ExecOptions } from "../exec/ExecOptions.ts"
import {
  closingCommand,
  commandScript,
  lookingScript,
  openingScript,
  stateLost,
} from "./shellScript.ts"

/** Where a lasting shell begins, and as whom. */
export interface ShellOptions {
  /** Where it begins, relative to the sandbox's working directory, which is also the default. */
  readonly cwd?: string | undefined
  /** Variables that it begins with, exported; its commands may change them. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** As for `exec`; all its commands run as this user. */
  readonly user?: string | undefined
}

/** How a command runs in a lasting shell; every part has a default. */
export type ShellExecOptions = Pick<ExecOptions, "stdin" | "timeout" | "outputLimit" | "onOutput">

/** A finished command of a lasting shell. */
export interface ShellResult extends ExecResult {
  /**
   * Whether the shell was begun anew for this command, since the files with its state were gone: by
   * a command that removed them, or with a sandbox that was started anew and keeps no files (`gvisor`).
   */
  readonly anew: boolean
}

/** What a lasting shell may fail with. */
export type ShellError = ExecError | LeaseError | ShellUnavailable

/**
 * A shell that keeps its folder, variables, functions, aliases, options and `umask` between commands.
 * Each command is a process of its own: its output, exit code and end are its own too, and what it
 * leaves running in the background is no job of the next.
 */
export interface SandboxShell {
  /**
   * Runs a script, one at a time, whatever its exit code; `exit` ends the script and not the shell. A
   * script that times out, or is interrupted, is killed with all that it started, and the shell is as it
   * was before it.
   */
  readonly exec: (
    script: string,
    options?: ShellExecOptions,
  ) => Effect.Effect<ShellResult, ShellError>
}

// Bytes of what the beginning of a shell prints, and how long the end of one may take.
const maxOpening = 64 * 1024
const closingTime = Duration.seconds(5)

/** A shell that has begun. */
interface Running {
  readonly run: (
    script: string,
    status: number,
    options: ShellExecOptions,
    /** What is left of the command's time. */
    rest: Effect.Effect<Duration.Duration>,
  ) => Effect.Effect<ExecResult | "lost", ExecError | LeaseError>
  readonly end: Effect.Effect<void, ExecError | LeaseError>
}

/** Begins to count a time. The result tells what is left of it: at least 1 ms, since no command may have less. */
const restOf = (timeout: Duration.Duration) =>
  Effect.map(Clock.currentTimeMillis, (begun) =>
    Effect.map(Clock.currentTimeMillis, (now) =>
      Duration.max(Duration.subtract(timeout, Duration.millis(now - begun)), Duration.millis(1)),
    ),
  )

type Driver = SandboxContext["driver"]

/** Begins a shell of the driver's own. */
const beginOwn = Effect.fnUntraced(function* (
  { id, use, secrets }: SandboxContext,
  { prepare, collect }: Commands,
  shells: NonNullable<Driver["shells"]>,
  options: ShellOptions,
  timeout?: Duration.Duration,
): Effect.fn.Return<Running, ExecError | LeaseError> {
  const name = randomBytes(16).toString("hex")
  const { request } = yield* prepare(":", { ...options, timeout })
  yield* use(shells.begin(id, name, request))
  return {
    run: Effect.fnUntraced(function* (script, _, given) {
      const { request, outputLimit } = yield* prepare(script, given)
      const events = shells.exec(id, name, request, Object.keys(secrets()))
      return yield* collect(request, events, { ...given, outputLimit })
    }),
    end: shells.end(id, name),
  }
})

/** Begins a shell whose state is in files of the sandbox. */
const begin = Effect.fnUntraced(function* (
  { id, driver, info, askIncarnation, secrets }: SandboxContext,
  { prepare, collect }: Commands,
  options: ShellOptions,
  timeout?: Duration.Duration,
): Effect.fn.Return<Running, ShellError> {
  const { user } = options
  const secretNames = () => Object.keys(secrets())
  const name = `.cordon-shell-${randomBytes(16).toString("hex")}`
  const opening = openingScript({ name, forgets: secretNames() })
  const { request } = yield* prepare(opening, { ...options, timeout })
  const opened = yield* collect(request, driver.exec(id, request), { outputLimit: maxOpening })
  const file = opened.stdout.split("\n").find((line) => line.endsWith(`/${name}`))
  if (opened.exitCode !== 0 || file === undefined || !file.startsWith("/")) {
    const why = opened.timedOut
      ? "it did not begin in time"
      : opened.stderr.trim().slice(-500) ||
        "no folder takes the files of its state: /tmp, /var/tmp, the user's home and /dev/shm were tried"
    return yield* new ShellUnavailable({ reason: why })
  }
  const path = yield* sandboxPath(file, "/")
  const cwd = request.cwd ?? info.workdir
  /** Whether the state is gone. A command may end with `stateLost` by itself. */
  const isGone = Effect.fnUntraced(function* (timeout: Duration.Duration) {
    const look = yield* prepare(lookingScript(path), { user, cwd: "/", timeout })
    const { exitCode } = yield* collect(look.request, driver.exec(id, look.request), look)
    return exitCode === stateLost
  })
  return {
    run: Effect.fnUntraced(function* (script, status, given, rest) {
      const whole = commandScript({
        file: path,
        forgets: secretNames(),
        cwd,
        status,
        command: script,
      })
      const { request, outputLimit } = yield* prepare(whole, { ...given, user, cwd: "/" })
      const result = yield* collect(request, driver.exec(id, request), { ...given, outputLimit })
      if (result.exitCode !== stateLost || result.timedOut) return result
      return (yield* isGone(yield* rest)) ? "lost" : result
    }),
    end: askIncarnation(
      Effect.suspend(() =>
        Stream.runDrain(
          driver.exec(id, {
            command: closingCommand(path),
            cwd: "/",
            user,
            timeout: closingTime,
          }),
        ),
      ),
    ),
  }
})

/** Opens lasting shells of one sandbox, each until its scope closes. */
export const makeShells = (context: SandboxContext, commands: Commands) =>
  Effect.fn("Sandbox.shell")(function* (
    options: ShellOptions = {},
  ): Effect.fn.Return<SandboxShell, ShellError, Scope.Scope> {
    const { shells } = context.driver
    const start = (timeout?: Duration.Duration): Effect.Effect<Running, ShellError> =>
      shells === undefined
        ? begin(context, commands, options, timeout)
        : beginOwn(context, commands, shells, options, timeout)
    const inTurn = yield* Semaphore.make(1)
    const closing = yield* Deferred.make<never, Closed>()
    let status = 0
    let running: Running = yield* Effect.acquireRelease(start(), () =>
      Effect.andThen(
        Deferred.fail(closing, new Closed({ subject: "shell" })),
        // Once a command that runs has been killed; its sandbox may be gone.
        inTurn.withPermit(Effect.ignore(Effect.suspend(() => running.end))),
      ),
    )

    const runOne = Effect.fnUntraced(function* (script: string, options: ShellExecOptions) {
      const { timeout: given } = options
      // Before a longer script is made of it, so that an error is about this one.
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
            "the files with its state were gone, so that it was begun anew; the command was not run, since its input can't be read again",
        })
      }
      const again = { ...options, timeout: yield* rest }
      const second = yield* running.run(script, status, again, rest)
      if (second !== "lost") return { ...second, anew: true }
      return yield* new ShellUnavailable({ reason: "the files with its state do not stay" })
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
