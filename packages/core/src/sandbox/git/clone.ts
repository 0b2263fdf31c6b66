import { randomBytes } from "node:crypto"
import { Duration, Effect, Schema } from "effect"
import {
  AlreadyExists,
  ExecTimedOut,
  GitMissing,
  InvalidInput,
  invalidInput,
  OutOfMemory,
} from "../../errors.ts"
import type { FilePath } from "../../values/FilePath.ts"
import type { SandboxContext } from "../context.ts"
import { type Commands, runHelper } from "../exec/commands.ts"
import { collectOutput } from "../exec/Output.ts"
import { bare } from "../files/folders.ts"
import { cloneCommand } from "./cloneCommand.ts"
import { cloneError } from "./cloneError.ts"
import { type CloneTarget, cloneTarget, refusedUrl } from "./cloneUrl.ts"
import type { ClonedRepository, CloneOptions, Git } from "./Git.ts"
import { beginScript, cloneExit, commitScript, undoScript } from "./gitScripts.ts"
import { type Judge, runScript, scriptCommand } from "./runScript.ts"

/** Names that people use, without those that git would take for something else. */
const Branch = Schema.String.pipe(
  Schema.check(
    Schema.isMaxLength(255),
    Schema.isPattern(
      /^(?![-/.])(?!.*(?:\.\.|@\{|\/\/|\/\.|\.lock(?:\/|$)))[^\p{Cc} ~^:?*[\\]+(?<![/.])$/u,
      { expected: "the name of a branch or tag, such as main or v1.2" },
    ),
  ),
)
const Options = Schema.Struct({
  branch: Schema.optional(Branch),
  depth: Schema.optional(Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0)))),
})

/** A clone whose options are checked. */
interface Clone {
  readonly target: CloneTarget
  readonly options: CloneOptions
  /** The folder that the repository will be in. */
  readonly path: FilePath
  readonly timeout: Duration.Duration
}

const prepareClone = Effect.fnUntraced(function* (
  { at, need }: SandboxContext,
  { timeoutOf }: Commands,
  url: string,
  options: CloneOptions,
) {
  const target = cloneTarget(url, options)
  if (target instanceof InvalidInput) return yield* target
  const { branch, depth, directory } = options
  yield* Schema.decodeUnknownEffect(Options)({ branch, depth }).pipe(
    Effect.mapError(invalidInput("clone options")),
  )
  const timeout = yield* timeoutOf(options.timeout)
  if (directory === undefined && /^\.{0,2}$/.test(target.name)) {
    return yield* refusedUrl("its path has no name for the folder; give a directory")
  }
  const path = bare(yield* at(directory ?? target.name))
  yield* need("git")
  return { target, options, path, timeout }
})

// Bytes kept of what git prints.
const maxOutput = 64 * 1024

/** Runs git, which makes the repository in a folder. */
const fetchInto = Effect.fnUntraced(function* (
  folder: string,
  { target, options, path, timeout }: Clone,
  { run }: Commands,
  sandbox: string,
) {
  const events = run({
    ...cloneCommand(target, options, folder),
    cwd: "/",
    timeout: Duration.isFinite(timeout) ? timeout : undefined,
  })
  const { timedOut, oomKilled, exitCode, stderr } = yield* collectOutput(events, maxOutput)
  if (timedOut) {
    return yield* new ExecTimedOut({ timeout: Duration.toMillis(timeout), stdout: "", stderr: "" })
  }
  if (oomKilled) return yield* new OutOfMemory({ sandbox })
  if (exitCode !== 0) return yield* cloneError(target, options.branch, path, stderr)
})

/** Git in one sandbox. */
export const makeGit = (context: SandboxContext, commands: Commands): Git => {
  const { image, name } = context.info
  const helper = runHelper(commands, context)

  const clone = Effect.fn("Sandbox.git.clone")(function* (url: string, options: CloneOptions = {}) {
    const prepared = yield* prepareClone(context, commands, url, options)
    const { path } = prepared
    // Made in a folder of its own, and moved when it is whole: a clone that breaks off is no repository.
    const part = `.cordon-clone-${randomBytes(6).toString("hex")}`
    const judge: Judge<GitMissing | AlreadyExists> = (exitCode) => {
      if (exitCode === cloneExit.noGit) return new GitMissing({ image })
      if (exitCode === cloneExit.exists) return new AlreadyExists({ path })
      return undefined
    }
    const script = (text: string, ...args: ReadonlyArray<string>) =>
      runScript(helper, path, scriptCommand(text, path, part, ...args), judge)

    const undo = (above: string) =>
      script(undoScript, above).pipe(
        Effect.catch((error) =>
          Effect.logWarning("Could not remove what a failed clone left", {
            path,
            error: error.message,
          }),
        ),
      )
    const { stdout } = yield* Effect.acquireUseRelease(
      script(beginScript),
      () =>
        Effect.andThen(
          fetchInto(`${path}/${part}`, prepared, commands, name),
          Effect.uninterruptible(script(commitScript)),
        ),
      ({ stdout: above }, exit) => (exit._tag === "Success" ? Effect.void : undo(above)),
    )
    const [commit = "", branch = ""] = stdout.split("\n")
    const repository: ClonedRepository = {
      path,
      commit: commit || undefined,
      branch: branch || undefined,
    }
    return repository
  })

  return { clone }
}
