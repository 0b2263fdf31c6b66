import { randomBytes } from "node:crypto"
import { Duration, Effect, Stream } from "effect"
import { ShellUnavailable } from "../../errors.ts"
import { sandboxPath } from "../../values/FilePath.ts"
import type { SandboxContext } from "../context.ts"
import type { Commands } from "../exec/commands.ts"
import type { RunningShell } from "./RunningShell.ts"
import type { ShellError, ShellOptions } from "./SandboxShell.ts"
import {
  closingCommand,
  commandScript,
  lookingScript,
  openingScript,
  stateLost,
} from "./shellScript.ts"

// Bytes that the opening script may print.
const maxOpening = 64 * 1024
const closingTime = Duration.seconds(5)

/** Begins a shell whose state is in files of the sandbox. */
export const beginInFiles = Effect.fnUntraced(function* (
  { id, driver, info, askIncarnation, secrets }: SandboxContext,
  { prepare, collect }: Commands,
  options: ShellOptions,
  timeout?: Duration.Duration,
): Effect.fn.Return<RunningShell, ShellError> {
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
