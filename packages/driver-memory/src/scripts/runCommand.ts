import { ExecEvent, type ExecRequest, InvalidPath } from "@cordon/core"
import { Effect, Stream } from "effect"
import type { FileTree } from "../files/FileTree.ts"
import { defaultLanguage, makeInterpreter, type StateSink, type Where } from "./interpreter.ts"
import { makeJobs } from "./jobs.ts"
import { ScriptOutput } from "./ScriptOutput.ts"
import { makeStops } from "./stops.ts"

// Milliseconds that the jobs of a command have to end after it.
const jobGrace = 50

/** Fails if a path is no folder that a command could run in. */
export const requireFolder = Effect.fnUntraced(function* (tree: FileTree, path: string) {
  const found = yield* Effect.option(tree.stat(path))
  if (found._tag === "None" || found.value.kind !== "directory") {
    const reason = "it is not a folder that commands can run in"
    return yield* new InvalidPath({ path, reason })
  }
})

/**
 * Runs one command to its end. There are no processes: what `&` starts runs beside its command and
 * ends with it. A timeout or an interruption takes effect at the next statement.
 *
 * @param stateSink where a shell's command writes down the state that it leaves
 */
export const runCommand = Effect.fnUntraced(function* (
  tree: FileTree,
  env: Readonly<Record<string, string>>,
  workdir: string,
  request: ExecRequest,
  stateSink?: StateSink,
) {
  const { command } = request
  const cwd = request.cwd ?? workdir
  yield* requireFolder(tree, cwd)
  const stdin =
    request.stdin === undefined ? "" : Buffer.concat(yield* Stream.runCollect(request.stdin))
  const output = new ScriptOutput()
  const stops = makeStops(request.timeout)

  const interpreter = (where: Where, output: ScriptOutput | undefined) =>
    makeInterpreter({ tree, where, commands: jobs.commands, output, stateSink })
  const jobs = makeJobs(async (script, where, held) => {
    const options = { rawScript: true, signal: stops.jobs }
    const result = await interpreter(where, held ? undefined : output).exec(script, options)
    if (held) return result
    if (!stops.hasEnded()) output.pushRest(result)
    return { stdout: "", stderr: "", exitCode: result.exitCode }
  })

  const result = yield* Effect.promise((interruption) => {
    interruption.addEventListener("abort", stops.interrupt)
    const clearTimer = stops.startTimer()
    const where = { cwd, env: defaultLanguage({ ...env, ...request.env }) }
    const { script, ...options } = scriptOf(command)
    return interpreter(where, output)
      .exec(script, {
        signal: stops.script,
        rawScript: true,
        ...(stdin === "" ? {} : { stdin: stdin.toString("latin1"), stdinKind: "bytes" }),
        ...options,
      })
      .finally(clearTimer)
  })
  const timedOut = stops.isLate()
  output.pushRest({ ...result, stderr: timedOut ? "" : result.stderr })
  if (!timedOut) {
    // Waits a little for the jobs: what they print soon is part of the command's output. Effect's clock may be a
    // test's, but scripts run in real time.
    const grace = new Promise((resolve) => setTimeout(resolve, jobGrace))
    yield* Effect.promise(() => Promise.race([jobs.settled(), grace]))
  }
  stops.end()
  return [...output.events, exitOf(timedOut ? 137 : result.exitCode, timedOut)]
})

/** The script that runs a command, and what the interpreter needs beside it. */
const scriptOf = (command: ExecRequest["command"]) => {
  if (typeof command === "string") return { script: command }
  const [program, ...args] = command
  return { script: '"$CORDON_PROGRAM"', args, env: { CORDON_PROGRAM: program } }
}

const exitOf = (exitCode: number, timedOut: boolean) =>
  ExecEvent.Exit({ exitCode, timedOut, oomKilled: false, restarted: false })
