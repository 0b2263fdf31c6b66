import { Effect, Path } from "effect"

/** A path of the port as one that means nothing else to a sandbox: `~` is a name like any other. */
export const absolute = (workdir: string, path: string): string =>
  path === "" || path.startsWith("/") ? path : `${workdir.replace(/\/+$/, "")}/${path}`

/** POSIX paths, relative to a folder of a sandbox and not to this program's. */
export const pathOf = (workdir: string): Effect.Effect<Path.Path> =>
  Effect.gen(function* () {
    const posix = yield* Path.Path
    const resolve = (...segments: ReadonlyArray<string>) => posix.resolve(workdir, ...segments)
    return Path.make({
      ...posix,
      resolve,
      relative: (from, to) => posix.relative(resolve(from), resolve(to)),
      // A trailing slash is kept, since it means a folder.
      toFileUrl: (path) => posix.toFileUrl(absolute(workdir, path)),
    })
  }).pipe(Effect.provide(Path.layer))
