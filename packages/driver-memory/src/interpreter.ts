import { randomUUID } from "node:crypto"
import { ExecEvent, type ExecRequest, InvalidPath } from "@cordon/core"
import { Duration, Effect, Stream } from "effect"
import {
  Bash,
  type CustomCommand,
  type ExecResult,
  type IFileSystem,
  type InMemoryFs,
  serialize,
} from "just-bash"
import { byteCommands, contentBytes, outputBytes } from "./bytes.ts"
import type { FileTree } from "./FileTree.ts"
import { makeJobs } from "./jobs.ts"
import { renameCommand, sendOutput, startJobs } from "./syntax.ts"

/** Bounds of one script, so that none can hold the process: there is no kernel to take it away. */
const executionLimits = {
  maxCommandCount: 1_000_000,
  maxLoopIterations: 1_000_000,
  maxAwkIterations: 1_000_000,
  maxSedIterations: 1_000_000,
}

// Bytes that one command may print, and milliseconds that its jobs have to end after it.
const mostOutput = 64 * 1024 * 1024
const jobGrace = 50

// just-bash blocks the globals while a script runs, also for the abort check that it asks us for.
const now = Date.now

/** As the containers of most images have it. */
export const inLanguage = (env: Readonly<Record<string, string>>) =>
  ["LANG", "LC_ALL", "LC_CTYPE"].some((name) => name in env)
    ? { ...env }
    : { ...env, LANG: "C.UTF-8" }

const exitOf = (exitCode: number, timedOut: boolean) =>
  ExecEvent.Exit({ exitCode, timedOut, oomKilled: false, restarted: false })

/** What a script has printed, in the order in which it came. */
class Printed {
  readonly events: Array<ExecEvent> = []
  #size = 0

  push(kind: "Stdout" | "Stderr", bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#size += bytes.length
    if (this.#size > mostOutput) throw new Error("ENOSPC: the command prints too much")
    this.events.push(ExecEvent[kind]({ bytes }))
  }
}

/** A path, and what takes all that is appended to it. */
export interface Sink {
  readonly path: string
  readonly take: (bytes: Uint8Array) => void
}

/** A file system in which what is appended to some paths is handed on. */
const withSinks = (fs: InMemoryFs, sinks: ReadonlyArray<Sink>): IFileSystem => {
  const append: IFileSystem["appendFile"] = async (at, content, encoding) => {
    const sink = sinks.find(({ path }) => path === at)
    if (sink === undefined) await fs.appendFile(at, content, encoding)
    else sink.take(contentBytes(content, encoding))
  }
  return new Proxy(fs, {
    get: (target, name) => {
      if (name === "appendFile") return append
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === "function" ? value.bind(target) : value
    },
  })
}

/**
 * Runs one command to its end. There are no processes: what `&` starts runs beside its command and
 * ends with it, and what a timeout or an interruption ends, it ends at the next statement.
 *
 * @param noted takes what the command appends to a path that is no file; `exit` names the variable that
 * holds what it calls for `exit`
 */
export const runCommand = Effect.fnUntraced(function* (
  tree: FileTree,
  env: Readonly<Record<string, string>>,
  workdir: string,
  request: ExecRequest,
  noted?: Sink & { readonly exit: string },
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
  const [program, ...args] = typeof request.command === "string" ? ["", ""] : request.command
  const deadline =
    request.timeout === undefined
      ? Number.POSITIVE_INFINITY
      : now() + Duration.toMillis(request.timeout)

  const printed = new Printed()
  let over = false
  let interrupted = false
  /** A signal that is aborted by its own effect, or where nobody wants the script any more. */
  const stoppable = (isOver: () => boolean) => {
    const controller = new AbortController()
    // A busy script gives no timer its turn, but asks the signal at each statement.
    Object.defineProperty(controller.signal, "aborted", {
      get: () => interrupted || now() >= deadline || isOver(),
    })
    return controller
  }
  const foreground = stoppable(() => false)
  const background = stoppable(() => over)

  /** Makes an interpreter of a script whose output goes to `printed`, as long as it is not held. */
  const interpreter = (
    where: { readonly env: Readonly<Record<string, string>>; readonly cwd: string },
    commands: ReadonlyArray<CustomCommand>,
    held: boolean,
  ) => {
    const sink = `/dev/cordon-${randomUUID()}`
    const bash = new Bash({
      fs: withSinks(tree.fs, [
        { path: sink, take: (bytes) => printed.push("Stdout", bytes) },
        ...(noted === undefined ? [] : [noted]),
      ]),
      ...where,
      executionLimits,
      processInfo: { uid: 0, gid: 0 },
      customCommands: [...byteCommands, ...commands],
    })
    // Scripts that the script runs are transformed as well; their output is for the script.
    let outermost = !held
    bash.registerTransformPlugin({
      name: "cordon",
      transform: ({ ast }) => {
        if (outermost) sendOutput(ast, sink)
        outermost = false
        if (noted !== undefined) renameCommand(ast, "exit", noted.exit)
        startJobs(ast, serialize)
        return { ast }
      },
    })
    return bash
  }
  const printRest = ({ stdout, stderr }: ExecResult) => {
    printed.push("Stdout", outputBytes(stdout))
    printed.push("Stderr", outputBytes(stderr))
  }

  const jobs = makeJobs(async (script, where, held) => {
    const options = { rawScript: true, signal: background.signal }
    const result = await interpreter(where, jobs.commands, held).exec(script, options)
    if (held) return result
    if (!over) printRest(result)
    return { stdout: "", stderr: "", exitCode: result.exitCode }
  })

  const result = yield* Effect.callback<ExecResult>((resume, signal) => {
    const abort = () => {
      interrupted = interrupted || signal.aborted
      foreground.abort()
      background.abort()
    }
    const left = deadline - now()
    const timer = Number.isFinite(left) ? setTimeout(abort, Math.min(left, 2 ** 31 - 1)) : undefined
    signal.addEventListener("abort", abort)
    const script = typeof request.command === "string" ? request.command : '"$CORDON_PROGRAM"'
    const where = { cwd, env: inLanguage({ ...env, ...request.env }) }
    interpreter(where, jobs.commands, false)
      .exec(script, {
        signal: foreground.signal,
        rawScript: true,
        ...(stdin === "" ? {} : { stdin: stdin.toString("latin1"), stdinKind: "bytes" }),
        ...(typeof request.command === "string" ? {} : { args, env: { CORDON_PROGRAM: program } }),
      })
      .then(
        (result) => resume(Effect.succeed(result)),
        (cause: unknown) => resume(Effect.die(cause)),
      )
      .finally(() => clearTimeout(timer))
  })
  const timedOut = now() >= deadline
  printRest({ ...result, stderr: timedOut ? "" : result.stderr })
  // What is quickly done is still heard.
  if (!timedOut) {
    // In real time: scripts run in no other.
    const grace = new Promise((resolve) => setTimeout(resolve, jobGrace))
    yield* Effect.promise(() => Promise.race([jobs.settled(), grace]))
  }
  over = true
  background.abort()
  return [...printed.events, exitOf(timedOut ? 137 : result.exitCode, timedOut)]
})
