import { closeSync, constants, fstatSync, lstatSync, openSync, readSync } from "node:fs"
import { readdir, readlink } from "node:fs/promises"
import { setImmediate } from "node:timers/promises"
import { Data, Stream } from "effect"
import { InvalidPath } from "../errors.ts"
import type { SessionFilesEntry, SessionFilesError } from "../SessionFiles.ts"
import { type Folder, openBelow } from "./folder.ts"
import { refusal, statOf } from "./posix.ts"

// Small files are looked at and read where that is done at once: to have a thread do it takes many
// times as long. So that nobody has to wait for it, no longer than this (milliseconds) in one go, and
// no more of their content than this (bytes).
const atOnce = 2
const mostContent = 1024 * 1024

class Refused extends Data.Error<{ readonly refusal: SessionFilesError }> {}

const attempt = <A>(path: string, f: () => A): A => {
  try {
    return f()
  } catch (cause) {
    throw new Refused({ refusal: refusal(path, cause) })
  }
}

/** A file's status and, where it is a small one, all of it; a link or a folder is only looked at. */
const lookAt = (at: string, isFile: boolean, contents: number) => {
  if (!isFile || contents < 0) return statOf(lstatSync(at))
  // Without O_NONBLOCK the opening of a FIFO that took its place would wait for a writer.
  const file = openSync(at, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  try {
    const stat = statOf(fstatSync(file))
    if (stat.kind !== "file" || stat.size > contents) return stat
    // What says that it is empty may not be (files of /proc).
    const content = Buffer.allocUnsafe(stat.size || 1)
    let length = 0
    for (let read = -1; read !== 0 && length < content.length; length += read) {
      read = readSync(file, content, length, content.length - length, null)
    }
    return length === stat.size ? { ...stat, content: content.subarray(0, length) } : stat
  } finally {
    closeSync(file)
  }
}

const refused = (path: string) => (cause: unknown) => {
  throw new Refused({ refusal: refusal(path, cause) })
}

/** A folder that the walk has seen there; nothing is read where a link has taken its place meanwhile. */
const enter = async (folder: Folder, name: string, path: string) => {
  try {
    return await openBelow(folder, name)
  } catch {
    const reason = "a symlink or a file took the place of a folder"
    throw new Refused({ refusal: new InvalidPath({ path, reason }) })
  }
}

async function* below(
  folder: Folder,
  prefix: string,
  contents: number,
): AsyncGenerator<ReadonlyArray<SessionFilesEntry>> {
  let entries: Array<SessionFilesEntry> = []
  let bytes = 0
  let until = 0
  const found = await readdir(folder.path, { withFileTypes: true }).catch(refused(prefix))
  found.sort((a, b) => (a.name < b.name ? -1 : 1))
  for (const dirent of found) {
    const now = performance.now()
    if (now > until || bytes > mostContent) {
      if (entries.length > 0) yield entries
      entries = []
      bytes = 0
      await setImmediate()
      attempt(prefix, folder.check)
      until = performance.now() + atOnce
    }
    const path = `${prefix}${dirent.name}`
    const at = folder.at(dirent.name)
    const entry = attempt(path, () => lookAt(at, dirent.isFile(), contents))
    if (entry.kind === "symlink") {
      const linkTarget = await readlink(at).catch(refused(path))
      entries.push({ ...entry, path, linkTarget })
      continue
    }
    entries.push({ ...entry, path })
    bytes += "content" in entry ? entry.size : 0
    if (entry.kind === "directory") {
      yield entries
      entries = []
      bytes = 0
      until = 0
      const inner = await enter(folder, dirent.name, path)
      try {
        yield* below(inner, `${path}/`, contents)
      } finally {
        await inner.close()
      }
    }
  }
  if (entries.length > 0) yield entries
}

/** See `SessionFiles.walk`. */
export const walkDirectory = (
  folder: Folder,
  contents: number,
): Stream.Stream<SessionFilesEntry, SessionFilesError> =>
  Stream.fromAsyncIterable(below(folder, "", contents), (cause) =>
    cause instanceof Refused ? cause.refusal : refusal("", cause),
  ).pipe(Stream.flattenIterable)
