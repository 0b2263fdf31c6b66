import { randomUUID } from "node:crypto"
import { Bash, type CustomCommand, serialize } from "just-bash"
import type { FileTree } from "../files/FileTree.ts"
import { byteCommands } from "./bytes.ts"
import type { ScriptOutput } from "./ScriptOutput.ts"
import { type Sink, withSinks } from "./sinks.ts"
import { renameCommand, sendOutput, startJobs } from "./syntax.ts"

/** Bounds of one script: it runs inside of this process, where no kernel could take the CPU from it. */
const executionLimits = {
  maxCommandCount: 1_000_000,
  maxLoopIterations: 1_000_000,
  maxAwkIterations: 1_000_000,
  maxSedIterations: 1_000_000,
}

/** Where a script begins: its folder and its variables. */
export interface Where {
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
}

/** Where a script writes down the state that its shell goes on with: see `shells.ts`. */
export interface StateSink extends Sink {
  /** The variable that names what the script calls in place of `exit`. */
  readonly exitVariable: string
}

/** Adds a UTF-8 locale, as most images have it, where the variables set none. */
export const defaultLanguage = (env: Readonly<Record<string, string>>) =>
  ["LANG", "LC_ALL", "LC_CTYPE"].some((name) => name in env)
    ? { ...env }
    : { ...env, LANG: "C.UTF-8" }

/**
 * Makes an interpreter for one script.
 *
 * @param options.output takes what the script prints, byte by byte; without it the script's result has that,
 * as text
 */
export const makeInterpreter = (options: {
  readonly tree: FileTree
  readonly where: Where
  readonly commands: ReadonlyArray<CustomCommand>
  readonly output: ScriptOutput | undefined
  readonly stateSink: StateSink | undefined
}): Bash => {
  const { tree, where, commands, output, stateSink } = options
  const stdout: Sink | undefined = output && {
    path: `/dev/cordon-${randomUUID()}`,
    take: (bytes) => output.push("Stdout", bytes),
  }
  const bash = new Bash({
    fs: withSinks(
      tree.fs,
      [stdout, stateSink].filter((sink) => sink !== undefined),
    ),
    ...where,
    executionLimits,
    processInfo: { uid: 0, gid: 0 },
    customCommands: [...byteCommands, ...commands],
  })
  // The scripts that this script runs are transformed as well, but what they print is for this script.
  let isOutermost = true
  bash.registerTransformPlugin({
    name: "cordon",
    transform: ({ ast }) => {
      if (isOutermost && stdout !== undefined) sendOutput(ast, stdout.path)
      isOutermost = false
      if (stateSink !== undefined) renameCommand(ast, "exit", stateSink.exitVariable)
      startJobs(ast, serialize)
      return { ast }
    },
  })
  return bash
}
