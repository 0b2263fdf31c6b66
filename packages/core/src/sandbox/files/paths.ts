import { Duration, Effect } from "effect"
import { type ExecError, InvalidPath, type LeaseError } from "../../errors.ts"
import { late } from "../../leases/enter.ts"
import { type FilePath, sandboxPath } from "../../values/FilePath.ts"
import type { SandboxUser } from "../../values/SandboxUser.ts"

/** What finding a path in a sandbox may fail with. */
export type PathError = InvalidPath | LeaseError

/**
 * Makes a path absolute, as a user of the sandbox means it; its own user where none is given.
 *
 * @param patience how long the sandbox has to say where `~` is; its host's own time where absent
 */
export type ResolvePath = (
  path: string,
  user?: string,
  patience?: Duration.Duration,
) => Effect.Effect<FilePath, PathError>

/**
 * Paths of one sandbox: relative ones start at its working directory, and `~` is what `$HOME` is to a
 * command of the user. The sandbox says so, and can't name anything but a path within itself.
 */
export const makePaths = (
  identify: (user?: string) => Effect.Effect<SandboxUser, ExecError | LeaseError>,
  workdir: string,
): ResolvePath => {
  const homes = new Map<string | undefined, FilePath>()

  const homeOf = Effect.fnUntraced(function* (
    path: string,
    user: string | undefined,
    patience: Duration.Duration,
  ) {
    const known = homes.get(user)
    if (known !== undefined) return known
    const none = new InvalidPath({
      path,
      reason: "the sandbox's user has no home folder; give an absolute path",
    })
    const found = yield* identify(user).pipe(
      Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.fail(late) }),
      Effect.catchTag("InvalidInput", ({ issue }) =>
        Effect.fail(new InvalidPath({ path, reason: issue })),
      ),
    )
    if (!found.home.startsWith("/")) return yield* none
    const home = yield* Effect.mapError(sandboxPath(found.home, "/"), () => none)
    homes.set(user, home)
    return home
  })

  return Effect.fnUntraced(function* (path, user, patience = Duration.infinity) {
    const asGiven = yield* sandboxPath(path, workdir)
    if (path !== "~" && !path.startsWith("~/")) return asGiven
    const home = yield* homeOf(path, user, patience)
    if (path === "~") return home
    return yield* sandboxPath(`${home.replace(/\/+$/, "")}/${path.slice(2)}`, "/")
  })
}
