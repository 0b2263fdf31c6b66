import { constants } from "node:fs"
import * as fs from "node:fs/promises"
import { sep } from "node:path"
import { Effect } from "effect"
import { InvalidPath, NotAFile } from "../errors.ts"
import { storagePath } from "../values/FilePath.ts"
import type { Folder, Tree } from "./folder.ts"
import { hostNameProblem } from "./hostNames.ts"
import { refusal } from "./posix.ts"

/** Runs an operation of the host; its failure is an error about `path`. */
export const attempt = <A>(path: string, operation: () => Promise<A>) =>
  Effect.tryPromise({ try: operation, catch: (cause) => refusal(path, cause) })

const close = (handle: { readonly close: () => Promise<void> }) =>
  Effect.promise(() => handle.close().catch(() => undefined))

/** Checks that files of this host can have a path of session storage. */
const hostPath = Effect.fnUntraced(function* (path: string) {
  const relative = yield* storagePath(path)
  const reason = hostNameProblem(relative, sep)
  if (reason !== undefined) return yield* new InvalidPath({ path, reason })
  return relative
})

const hostFolder = (path: string) => hostPath(path === "" ? "." : path)

/** The folder and the name of a file that is to be written. */
export const placeOf = Effect.fnUntraced(function* (path: string) {
  const parts = (yield* hostPath(path)).split("/")
  const name = parts.pop() ?? ""
  if (name === "") return yield* new NotAFile({ path, kind: "directory" })
  return { above: parts.join("/"), name }
})

/** Opens a folder until the scope closes; `make` makes those that are missing. */
export const openFolder = Effect.fnUntraced(function* (tree: Tree, path: string, make = false) {
  const relative = yield* hostFolder(path)
  return yield* Effect.acquireRelease(
    attempt(path, () => tree.folder(relative, make)),
    close,
  )
})

/** Opens the folder of an entry until the scope closes. Links are followed: the entry itself is no link. */
export const openParent = Effect.fnUntraced(function* (tree: Tree, path: string) {
  const relative = yield* hostFolder(path)
  return yield* Effect.acquireRelease(
    attempt(path, () => tree.entry(relative)),
    ({ folder }) => close(folder),
  )
})

/** Opens a file until the scope closes; a link is refused. */
export const openFile = (
  path: string,
  folder: Folder,
  name: string,
  flags: number,
  mode?: number,
) =>
  Effect.acquireRelease(
    attempt(path, () => fs.open(folder.at(name), flags | constants.O_NOFOLLOW, mode)),
    close,
  ).pipe(Effect.tap(() => attempt(path, async () => folder.check())))
