import { ExecEvent, type ExecRequest, InvalidPath, languageVariables } from "@cordon/core"
import { Duration, Effect, Stream } from "effect"
import { Bash } from "just-bash"
import type { FileTree } from "./FileTree.ts"

/** Bounds of one script, so that none can hold the process: there is no kernel to take it away. */
const executionLimits = {
  maxCommandCount: 1_000_000,
  maxLoopIterations: 1_000_000,
  maxAwkIterations: 1_000_000,
  maxSedIterations: 1_000_000,
}

// just-bash blocks the globals while a script runs, also for the abort check that it asks us for.
const now = Date.now

/** Output as just-bash has it: text, or a byte for each character where the bytes are not UTF-8. */
const bytesOf = (output: string): Uint8Array =>
  // Only bytes can have C1 controls and nothing above them: text that has them is made up.
  /[\x80-\x9f]/.test(output) && !/[^\0-\xff]/.test(output)
    ? Buffer.from(output, "latin1")
    : new TextEncoder().encode(output)

/** As the containers of most images have it. */
const inLanguage = (env: Readonly<Record<string, string>>) =>
  languageVariables.some((name) => name in env) ? { ...env } : { ...env, LANG: "C.UTF-8" }

const exitOf = (exitCode: number, timedOut: boolean) =>
  ExecEvent.Exit({ exitCode, timedOut, oomKilled: false, restarted: false })

/**
 * Runs one command to its end. There are no processes: `&` runs in the foreground, and what a
 * timeout or an interruption ends, it ends at the next statement.
 */
export const runCommand = Effect.fnUntraced(function* (
  tree: FileTree,
  env: Readonly<Record<string, string>>,
  workdir: string,
  request: ExecRequest,
) {
  const cwd = request.cwd ?? workdir
  const folder = yield* Effect.option(tree.stat(cwd))
  if (folder._tag === "None" || folder.value.kind !== "directory") {
    return yield* new InvalidPath({
      path: cwd,
      reason: "it is not a folder that commands can run in",
    })
  }
  const stdin =
    request.stdin === undefined ? "" : Buffer.concat(yield* Stream.runCollect(request.stdin))
  const bash = new Bash({
    fs: tree.fs,
    cwd,
    env: inLanguage({ ...env, ...request.env }),
    executionLimits,
    processInfo: { uid: 0, gid: 0 },
  })
  const [program, ...args] = typeof request.command === "string" ? ["", ""] : request.command
  const deadline =
    request.timeout === undefined
      ? Number.POSITIVE_INFINITY
      : now() + Duration.toMillis(request.timeout)

  const result = yield* Effect.callback<Awaited<ReturnType<Bash["exec"]>>>(
    (resume, interrupted) => {
      const controller = new AbortController()
      const { signal } = controller
      // A busy script gives no timer its turn, but asks the signal at each statement.
      Object.defineProperty(signal, "aborted", {
        get: () => interrupted.aborted || now() >= deadline,
      })
      const abort = () => controller.abort()
      const left = deadline - now()
      const timer = Number.isFinite(left)
        ? setTimeout(abort, Math.min(left, 2 ** 31 - 1))
        : undefined
      interrupted.addEventListener("abort", abort)
      const script = typeof request.command === "string" ? request.command : '"$CORDON_PROGRAM"'
      bash
        .exec(script, {
          signal,
          rawScript: true,
          ...(stdin === "" ? {} : { stdin: stdin.toString("latin1"), stdinKind: "bytes" }),
          ...(typeof request.command === "string"
            ? {}
            : { args, env: { CORDON_PROGRAM: program } }),
        })
        .then(
          (result) => resume(Effect.succeed(result)),
          (cause: unknown) => resume(Effect.die(cause)),
        )
        .finally(() => clearTimeout(timer))
    },
  )
  const timedOut = now() >= deadline
  const events: Array<ExecEvent> = []
  if (result.stdout !== "") events.push(ExecEvent.Stdout({ bytes: bytesOf(result.stdout) }))
  if (result.stderr !== "" && !timedOut) {
    events.push(ExecEvent.Stderr({ bytes: bytesOf(result.stderr) }))
  }
  events.push(exitOf(timedOut ? 137 : result.exitCode, timedOut))
  return events
})
