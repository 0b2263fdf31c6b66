import { randomBytes } from "node:crypto"
import { constants } from "node:fs"
import * as fs from "node:fs/promises"
import { sep } from "node:path"
import { Effect, Exit, Layer, Stream } from "effect"
import { InvalidPath, NotAFile } from "../errors.ts"
import { SessionFiles, type SessionFilesError, type SmallFile } from "../SessionFiles.ts"
import { giveBack, lend } from "../transfer/Lent.ts"
import { storagePath } from "../values/FilePath.ts"
import { type Folder, hasDescriptors, makeTree } from "./folder.ts"
import { hostNameProblem } from "./hostNames.ts"
import { kindOf, refusal, statOf } from "./posix.ts"
import { WriteFailed, writeInto } from "./smallFiles.ts"
import { walkDirectory } from "./walk.ts"

// Many small pieces with one call: larger ones would be mapped and cleared anew by the allocator,
// each for itself, and each call waits for its turn in the thread pool.
const chunkBytes = 64 * 1024
const readBytes = 1024 * 1024
// Bytes that are written at once.
const writeBytes = 512 * 1024
// Of memory that is used again.
const lentBytes = 512 * 1024

const writeAll = async (handle: fs.FileHandle, chunks: ReadonlyArray<Uint8Array>) => {
  const { bytesWritten } = await handle.writev([...chunks])
  const rest = Buffer.concat(bytesWritten < sizeOf(chunks) ? chunks : []).subarray(bytesWritten)
  if (rest.length > 0) await handle.writeFile(rest)
}

/** Writes what comes of a file, much at once, while more of it comes. */
const makeWriter = (handle: fs.FileHandle) => {
  let waiting: Array<Uint8Array> = []
  let bytes = 0
  let writing = Promise.resolve()
  const write = async (chunks: ReadonlyArray<Uint8Array>) => {
    await writeAll(handle, chunks)
    chunks.forEach(giveBack)
  }
  /** Returns once what went before is written. */
  const flush = async () => {
    await writing
    const chunks = waiting
    waiting = []
    bytes = 0
    writing = write(chunks)
    writing.catch(() => {})
  }
  return {
    flush,
    /** @returns whether there is enough to flush */
    add: (chunks: ReadonlyArray<Uint8Array>): boolean => {
      for (const chunk of chunks) bytes += chunk.length
      waiting.push(...chunks)
      return bytes >= writeBytes
    },
    end: async () => {
      await flush()
      await writing
    },
  }
}

const chunksOf = (bytes: Uint8Array): ReadonlyArray<Uint8Array> =>
  Array.from({ length: Math.ceil(bytes.length / chunkBytes) }, (_, n) =>
    bytes.subarray(n * chunkBytes, (n + 1) * chunkBytes),
  )

const sizeOf = (chunks: ReadonlyArray<Uint8Array>) =>
  chunks.reduce((sum, { length }) => sum + length, 0)

/**
 * Session storage in a local folder, which is made where it is missing.
 *
 * Nothing outside the folder is ever read or written: each path is followed link by link, and one that
 * ends outside is `InvalidPath`. On Linux that holds while another process of the host swaps folders for
 * links. Elsewhere folders are looked at before they are used and again before a file is put in place,
 * which leaves such a process a moment.
 *
 * @param directory the folder, absolute or relative to the process's working directory
 */
export const sessionFilesDirectory = (
  directory: string,
): Layer.Layer<SessionFiles, SessionFilesError> => directoryLayer(directory, hasDescriptors)

/** Of a file that is not whole yet. */
const partName = () => `.${randomBytes(8).toString("hex")}.part`

const attempt = <A>(path: string, operation: () => Promise<A>) =>
  Effect.tryPromise({ try: operation, catch: (cause) => refusal(path, cause) })

const closed = (handle: { readonly close: () => Promise<void> }) =>
  Effect.promise(() => handle.close().catch(() => undefined))

/** A path of session storage that a file of this host can have. */
const hostPath = Effect.fnUntraced(function* (path: string) {
  const relative = yield* storagePath(path)
  const reason = hostNameProblem(relative, sep)
  if (reason !== undefined) return yield* new InvalidPath({ path, reason })
  return relative
})

/** @param descriptors whether folders are held by descriptors; see `folder.ts` */
export const directoryLayer = (
  directory: string,
  descriptors: boolean,
): Layer.Layer<SessionFiles, SessionFilesError> =>
  Layer.effect(
    SessionFiles,
    Effect.gen(function* () {
      const root = yield* attempt(directory, async () => {
        await fs.mkdir(directory, { recursive: true })
        return await fs.realpath(directory)
      })
      const tree = makeTree(root, descriptors)

      const folderOf = Effect.fnUntraced(function* (path: string, make = false) {
        const relative = yield* hostPath(path === "" ? "." : path)
        return yield* Effect.acquireRelease(
          attempt(path, () => tree.folder(relative, make)),
          closed,
        )
      })

      const entryOf = Effect.fnUntraced(function* (path: string) {
        const relative = yield* hostPath(path === "" ? "." : path)
        return yield* Effect.acquireRelease(
          attempt(path, () => tree.entry(relative)),
          ({ folder }) => closed(folder),
        )
      })

      const open = (path: string, folder: Folder, name: string, flags: number, mode?: number) =>
        Effect.acquireRelease(
          attempt(path, () => fs.open(folder.at(name), flags | constants.O_NOFOLLOW, mode)),
          closed,
        ).pipe(Effect.tap(() => attempt(path, async () => folder.check())))

      return SessionFiles.of({
        refuses: (path) => hostNameProblem(path, sep),

        stat: Effect.fnUntraced(function* (path) {
          const { folder, name } = yield* entryOf(path)
          return statOf(yield* attempt(path, () => fs.lstat(folder.at(name))))
        }, Effect.scoped),

        read: (path, { lent = false } = {}) =>
          Stream.unwrap(
            Effect.gen(function* () {
              const { folder, name } = yield* entryOf(path)
              // Without O_NONBLOCK the opening of a FIFO would wait for a writer.
              const flags = constants.O_RDONLY | constants.O_NONBLOCK
              const handle = yield* open(path, folder, name, flags)
              const stats = yield* attempt(path, () => handle.stat())
              if (!stats.isFile()) return yield* new NotAFile({ path, kind: kindOf(stats) })
              // Exactly the file as it was when it was opened. What says that it is empty may not
              // be (files of /proc): it is read to its end.
              let left = stats.size === 0 ? Number.POSITIVE_INFINITY : stats.size
              const free: Array<Buffer> = []
              const readSome = async () => {
                const most = lent ? lentBytes : readBytes
                const memory =
                  free.pop() ?? Buffer.allocUnsafeSlow(lent ? most : Math.min(most, left))
                const length = Math.min(most, left)
                const { bytesRead, buffer } = await handle.read(memory, 0, length, null)
                left = bytesRead === 0 ? 0 : left - bytesRead
                const isLast = left <= 0
                const bytes = buffer.subarray(0, bytesRead)
                return { isLast, bytes: lent ? lend(bytes, () => free.push(buffer)) : bytes }
              }
              // What is lent is read while the reader is busy with the piece before.
              let ahead: ReturnType<typeof readSome> | undefined
              const next = attempt(path, async () => {
                const some = await (ahead ?? readSome())
                if (lent && !some.isLast) {
                  ahead = readSome()
                  ahead.catch(() => {})
                }
                return some
              })
              return Stream.fromEffectRepeat(next).pipe(
                Stream.takeUntil(({ isLast }) => isLast),
                Stream.map(({ bytes }) => (lent ? [bytes] : chunksOf(bytes))),
                Stream.flattenIterable,
              )
            }),
          ),

        write: Effect.fnUntraced(function* (path, content, mode, modifiedAt) {
          const relative = yield* hostPath(path)
          const parts = relative.split("/")
          const name = parts.pop() ?? ""
          if (name === "") return yield* new NotAFile({ path, kind: "directory" })
          const folder = yield* folderOf(parts.join("/"), true)
          const target = folder.at(name)
          const part = partName()
          const temporary = folder.at(part)
          const existing = yield* attempt(path, () => fs.lstat(target)).pipe(
            Effect.catchTag("FileNotFound", () => Effect.succeed(undefined)),
          )
          if (existing?.isDirectory()) return yield* new NotAFile({ path, kind: "directory" })
          const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL
          yield* Effect.scoped(
            Effect.gen(function* () {
              const handle = yield* open(path, folder, part, flags, mode ?? 0o644)
              const writer = makeWriter(handle)
              yield* Stream.runForEachArray(content, (chunks) =>
                writer.add(chunks) ? attempt(path, writer.flush) : Effect.void,
              )
              yield* attempt(path, writer.end)
              if (mode !== undefined) yield* attempt(path, () => handle.chmod(mode & 0o777))
              if (modifiedAt !== undefined) {
                yield* attempt(path, () => handle.utimes(modifiedAt, modifiedAt))
              }
            }),
          ).pipe(
            Effect.andThen(
              attempt(path, async () => {
                folder.check()
                await fs.rename(temporary, target)
              }),
            ),
            Effect.onExit((exit) =>
              Exit.isSuccess(exit)
                ? Effect.void
                : Effect.promise(() => fs.rm(temporary, { force: true }).catch(() => undefined)),
            ),
          )
        }, Effect.scoped),

        writeAll: Effect.fnUntraced(function* (files) {
          const byFolder = new Map<string, Array<readonly [string, SmallFile]>>()
          for (const file of files) {
            const parts = (yield* hostPath(file.path)).split("/")
            const name = parts.pop() ?? ""
            if (name === "") return yield* new NotAFile({ path: file.path, kind: "directory" })
            const above = parts.join("/")
            const inFolder = byFolder.get(above) ?? []
            byFolder.set(above, inFolder)
            inFolder.push([name, file])
          }
          for (const [above, inFolder] of byFolder) {
            yield* Effect.scoped(
              Effect.gen(function* () {
                const folder = yield* folderOf(above, true)
                yield* Effect.tryPromise({
                  try: () => writeInto(folder, inFolder, partName()),
                  catch: (cause) =>
                    cause instanceof WriteFailed
                      ? refusal(cause.path, cause.cause)
                      : refusal(above, cause),
                })
              }),
            )
          }
        }),

        makeDirectory: Effect.fnUntraced(function* (path, modifiedAt) {
          const folder = yield* folderOf(path, true)
          if (modifiedAt !== undefined) yield* attempt(path, () => folder.setTime(modifiedAt))
        }, Effect.scoped),

        walk: (path, { contents = -1 } = {}) =>
          Stream.unwrap(Effect.map(folderOf(path), (folder) => walkDirectory(folder, contents))),
      })
    }),
  )
