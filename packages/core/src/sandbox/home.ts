import { Effect } from "effect"
import { InvalidPath, type LeaseError } from "../errors.ts"
import { collectOutput } from "../Output.ts"
import { type FilePath, sandboxPath } from "../values/FilePath.ts"
import { type RunCommand, scriptCommand } from "./shell.ts"

/** What finding a path in a sandbox may fail with. */
export type PathError = InvalidPath | LeaseError

/** Makes a path absolute, as a user of the sandbox means it; its own user where none is given. */
export type ResolvePath = (path: string, user?: string) => Effect.Effect<FilePath, PathError>

/**
 * Paths of one sandbox: relative ones start at its working directory, and `~` is the home folder of
 * the user. That is what `$HOME` is to a command of that user: the sandbox answers, and can't name
 * anything but a path within itself.
 */
export const makePaths = (run: RunCommand, workdir: string): ResolvePath => {
  const homes = new Map<string | undefined, FilePath>()

  const homeOf = Effect.fnUntraced(function* (path: string, user: string | undefined) {
    const known = homes.get(user)
    if (known !== undefined) return known
    const request = {
      ...scriptCommand('printf %s "$HOME"'),
      ...(user === undefined ? {} : { user }),
    }
    const none = new InvalidPath({
      path,
      reason: "the sandbox's user has no home folder; give an absolute path",
    })
    const { stdout } = yield* collectOutput(run(request), 8192).pipe(
      Effect.catchTag("InvalidInput", ({ issue }) =>
        Effect.fail(new InvalidPath({ path, reason: issue })),
      ),
    )
    if (!stdout.startsWith("/")) return yield* none
    const home = yield* Effect.mapError(sandboxPath(stdout, "/"), () => none)
    homes.set(user, home)
    return home
  })

  return Effect.fnUntraced(function* (path, user) {
    const asGiven = yield* sandboxPath(path, workdir)
    if (path !== "~" && !path.startsWith("~/")) return asGiven
    const home = yield* homeOf(path, user)
    if (path === "~") return home
    return yield* sandboxPath(`${home.replace(/\/+$/, "")}/${path.slice(2)}`, "/")
  })
}
