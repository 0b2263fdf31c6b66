/**
 * Folders of session storage, reached step by step from its root. A local process may put a link in the
 * place of any of them at any time. On Linux each folder is opened as a descriptor, links not followed,
 * and what is in it is named through that descriptor (`/proc/self/fd/7/name`): the kernel then looks in
 * the folder that was looked at, wherever its name leads by now. Node.js has no `openat`, and other
 * systems have no such names: there a folder is its path, which is looked at before it is used and after.
 */
import { constants, existsSync, realpathSync } from "node:fs"
import * as fs from "node:fs/promises"
import * as nodePath from "node:path"
import type { StoragePath } from "../values/FilePath.ts"

const mostLinks = 40

/** A symlink leads out of session storage, or one took the place of a folder. */
export class Outside extends Error {}

export const hasDescriptors = process.platform === "linux" && existsSync("/proc/self/fd")

/** A folder that was reached; close it. */
export interface Folder {
  /** Its real name, a part for each folder below the root. */
  readonly names: ReadonlyArray<string>
  /** What it is called in calls of the system. */
  readonly path: string
  readonly at: (name: string) => string
  /** Throws where it may be another folder by now. */
  readonly check: () => void
  readonly setTime: (modifiedAt: Date) => Promise<void>
  readonly close: () => Promise<void>
}

const failure = (code: string) => Object.assign(new Error(code), { code })

const openByDescriptor = async (path: string, names: ReadonlyArray<string>): Promise<Folder> => {
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
  const handle = await fs.open(path, flags)
  const own = `/proc/self/fd/${handle.fd}`
  return {
    names,
    path: own,
    at: (name) => `${own}/${name}`,
    check: () => undefined,
    setTime: (time) => handle.utimes(time, time),
    close: () => handle.close(),
  }
}

const openByPath = async (path: string, names: ReadonlyArray<string>): Promise<Folder> => {
  const stats = await fs.lstat(path)
  if (!stats.isDirectory()) throw failure("ENOTDIR")
  const check = () => {
    if (realpathSync.native(path) !== path) throw new Outside()
  }
  check()
  return {
    names,
    path,
    at: (name) => nodePath.join(path, name),
    check,
    setTime: async (time) => {
      check()
      await fs.utimes(path, time, time)
    },
    close: async () => undefined,
  }
}

/** Opens a folder that is in another one, or session storage itself; a link is refused. */
const open = (path: string, names: ReadonlyArray<string>, descriptors: boolean) =>
  descriptors ? openByDescriptor(path, names) : openByPath(path, names)

export const openBelow = (folder: Folder, name: string): Promise<Folder> =>
  open(folder.at(name), [...folder.names, name], folder.path.startsWith("/proc/self/fd/"))

const partsOf = (path: string, separator: string | RegExp = "/") =>
  path.split(separator).filter((part) => part !== "" && part !== ".")

/** Session storage in a folder, as {@link makeTree} makes it. */
export type Tree = ReturnType<typeof makeTree>

/** Session storage in a folder, given by its real path. */
export const makeTree = (root: string, descriptors: boolean) => {
  /** Where a link leads, in parts from the root. */
  const redirected = async (names: ReadonlyArray<string>, target: string) => {
    if (!nodePath.isAbsolute(target)) return [...names, ...partsOf(target, /[/\\]/)]
    const inside = nodePath.relative(root, await fs.realpath(target))
    if (nodePath.isAbsolute(inside)) throw new Outside()
    return partsOf(inside, nodePath.sep)
  }

  const enter = async (folder: Folder, name: string, make: boolean): Promise<Folder | string> => {
    const attempt = () => openBelow(folder, name)
    try {
      if (!make) return await attempt()
      return await attempt().catch(async (cause: NodeJS.ErrnoException) => {
        if (cause.code !== "ENOENT") throw cause
        await fs.mkdir(folder.at(name)).catch((cause: NodeJS.ErrnoException) => {
          if (cause.code !== "EEXIST") throw cause
        })
        return await attempt()
      })
    } catch (cause) {
      const target = await fs.readlink(folder.at(name)).catch(() => undefined)
      if (target === undefined) throw cause
      return target
    }
  }

  /** Goes down folder by folder; one that is missing is made where that is wanted. */
  const follow = async (path: ReadonlyArray<string>, make: boolean): Promise<Folder> => {
    let parts = path
    for (let links = 0; links <= mostLinks; ) {
      let folder = await open(root, [], descriptors)
      let elsewhere: ReadonlyArray<string> | undefined
      try {
        for (const [index, part] of parts.entries()) {
          const rest = parts.slice(index + 1)
          if (part === "..") {
            if (folder.names.length === 0) throw new Outside()
            elsewhere = [...folder.names.slice(0, -1), ...rest]
            break
          }
          const next = await enter(folder, part, make)
          if (typeof next === "string") {
            links += 1
            elsewhere = [...(await redirected(folder.names, next)), ...rest]
            break
          }
          await folder.close()
          folder = next
        }
      } catch (cause) {
        await folder.close()
        throw cause
      }
      if (elsewhere === undefined) return folder
      await folder.close()
      parts = elsewhere
    }
    throw failure("ELOOP")
  }

  return {
    folder: (path: StoragePath, make = false) => follow(partsOf(path), make),
    /** Where something is, links followed: a folder and a name in it that is no link. */
    entry: async (
      path: StoragePath,
    ): Promise<{ readonly folder: Folder; readonly name: string }> => {
      let parts = partsOf(path)
      for (let links = 0; links <= mostLinks; links += 1) {
        const name = parts.at(-1)
        if (name === undefined || name === "..") {
          return { folder: await follow(parts, false), name: "." }
        }
        const folder = await follow(parts.slice(0, -1), false)
        try {
          const stats = await fs.lstat(folder.at(name))
          if (!stats.isSymbolicLink()) return { folder, name }
          parts = await redirected(folder.names, await fs.readlink(folder.at(name)))
        } catch (cause) {
          await folder.close()
          throw cause
        }
        await folder.close()
      }
      throw failure("ELOOP")
    },
  }
}
