import {
  closeSync,
  constants,
  fchmodSync,
  futimesSync,
  lstatSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs"
import { setImmediate } from "node:timers/promises"
import type { SmallFile } from "../SessionFiles.ts"
import type { Folder } from "./folder.ts"

// Small files are written where that is done at once: to have a thread do each step takes many times as long.
// So that nobody has to wait for it, no longer than this (milliseconds) in one go.
const atOnce = 2

const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW

/** What stands at a path; nothing where there is nothing. */
const kindAt = (path: string) => lstatSync(path, { throwIfNoEntry: false })

const fill = (path: string, { content, mode, modifiedAt }: SmallFile) => {
  const file = openSync(path, flags, mode)
  try {
    for (let at = 0; at < content.length; ) at += writeSync(file, content, at)
    fchmodSync(file, mode & 0o777)
    if (modifiedAt !== undefined) futimesSync(file, modifiedAt, modifiedAt)
  } finally {
    closeSync(file)
  }
}

/** Why a file was not written. */
export class WriteFailed extends Error {
  readonly path: string
  constructor(path: string, cause: unknown) {
    super("a file was not written", { cause })
    this.path = path
  }
}

/** Writes a file whole or not at all. */
const put = (folder: Folder, name: string, file: SmallFile, part: string) => {
  const target = folder.at(name)
  const temporary = folder.at(part)
  // As the system would say of a file: a rename onto a folder.
  if (kindAt(target)?.isDirectory()) throw Object.assign(new Error("a folder"), { code: "EISDIR" })
  try {
    folder.check()
    fill(temporary, file)
    folder.check()
    renameSync(temporary, target)
  } catch (cause) {
    rmSync(temporary, { force: true })
    throw cause
  }
}

/**
 * Writes files into a folder.
 *
 * @param files by their names in it
 * @param part the name of a file that is not whole yet, each in its turn: one at a time is not whole
 */
export const writeInto = async (
  folder: Folder,
  files: ReadonlyArray<readonly [name: string, file: SmallFile]>,
  part: string,
): Promise<void> => {
  let until = performance.now() + atOnce
  for (const [name, file] of files) {
    if (performance.now() > until) {
      await setImmediate()
      until = performance.now() + atOnce
    }
    try {
      put(folder, name, file, part)
    } catch (cause) {
      throw new WriteFailed(file.path, cause)
    }
  }
}
