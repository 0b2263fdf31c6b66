import { randomBytes } from "node:crypto"
import { constants } from "node:fs"
import * as fs from "node:fs/promises"
import * as nodePath from "node:path"
import { Effect, Exit, Layer, Stream } from "effect"
import { InvalidPath, NotAFile } from "../errors.ts"
import { lend } from "../Lent.ts"
import { SessionFiles, type SessionFilesError } from "../SessionFiles.ts"
import { storagePath } from "../values/FilePath.ts"
import { kindOf, refusal, statOf } from "./posix.ts"
import { walkDirectory } from "./walk.ts"

// Many small pieces with one call: larger ones would be mapped and cleared anew by the allocator,
// each for itself, and each call waits for its turn in the thread pool.
const chunkBytes = 64 * 1024
const readBytes = 1024 * 1024
// Of memory that is used again.
const lentBytes = 256 * 1024
// Pieces that gather while the ones before them are being written.
const writeAhead = 64

const writeAll = async (handle: fs.FileHandle, chunks: ReadonlyArray<Uint8Array>) => {
  const { bytesWritten } = await handle.writev([...chunks])
  const rest = Buffer.concat(bytesWritten < sizeOf(chunks) ? chunks : []).subarray(bytesWritten)
  if (rest.length > 0) await handle.writeFile(rest)
}

const sizeOf = (chunks: ReadonlyArray<Uint8Array>) =>
  chunks.reduce((sum, { length }) => sum + length, 0)

/**
 * Session storage in a local folder, which is made where it is missing.
 *
 * Nothing outside the folder is ever read or written: each path is resolved link by link, and one
 * that ends outside is `InvalidPath`.
 *
 * @param directory the folder, absolute or relative to the process's working directory
 */
export const sessionFilesDirectory = (
  directory: string,
): Layer.Layer<SessionFiles, SessionFilesError> =>
  Layer.effect(
    SessionFiles,
    Effect.gen(function* () {
      const attempt = <A>(path: string, operation: () => Promise<A>) =>
        Effect.tryPromise({ try: operation, catch: (cause) => refusal(path, cause) })

      const root = yield* attempt(directory, async () => {
        await fs.mkdir(directory, { recursive: true })
        return await fs.realpath(directory)
      })

      const confined = (path: string, real: string) =>
        real === root || real.startsWith(`${root}${nodePath.sep}`)
          ? Effect.succeed(real)
          : Effect.fail(new InvalidPath({ path, reason: "a symlink leads out of session storage" }))

      /** The real path of something that exists, every link resolved. */
      const resolve = Effect.fnUntraced(function* (path: string) {
        const relative = yield* storagePath(path === "" ? "." : path)
        const real = yield* attempt(path, () => fs.realpath(nodePath.join(root, relative)))
        return yield* confined(path, real)
      })

      /** Makes each missing folder in turn, so that no link is crossed that was not looked at. */
      const makeDirectories = Effect.fnUntraced(function* (path: string, parts: Array<string>) {
        let real = root
        for (const part of parts) {
          const next = nodePath.join(real, part)
          yield* attempt(path, () =>
            fs.mkdir(next).catch((cause: NodeJS.ErrnoException) => {
              if (cause.code !== "EEXIST") throw cause
            }),
          )
          real = yield* confined(path, yield* attempt(path, () => fs.realpath(next)))
          const stats = yield* attempt(path, () => fs.lstat(real))
          if (!stats.isDirectory()) {
            return yield* new NotAFile({ path, kind: "file where a folder is needed" })
          }
        }
        return real
      })

      const open = (path: string, real: string, flags: number, mode?: number) =>
        Effect.acquireRelease(
          attempt(path, () => fs.open(real, flags | constants.O_NOFOLLOW, mode)),
          (handle) => Effect.promise(() => handle.close().catch(() => undefined)),
        )

      return SessionFiles.of({
        stat: Effect.fnUntraced(function* (path) {
          const real = yield* resolve(path)
          return statOf(yield* attempt(path, () => fs.lstat(real)))
        }),

        read: (path, { lent = false } = {}) =>
          Stream.unwrap(
            Effect.gen(function* () {
              const real = yield* resolve(path)
              // Without O_NONBLOCK the opening of a FIFO would wait for a writer.
              const handle = yield* open(path, real, constants.O_RDONLY | constants.O_NONBLOCK)
              const stats = yield* attempt(path, () => handle.stat())
              if (!stats.isFile()) return yield* new NotAFile({ path, kind: kindOf(stats) })
              // Exactly the file as it was when it was opened. What says that it is empty may not
              // be (files of /proc): it is read to its end.
              let left = stats.size === 0 ? Number.POSITIVE_INFINITY : stats.size
              const free: Array<Buffer> = []
              const next = attempt(path, async () => {
                const most = lent ? lentBytes : readBytes
                const memory =
                  free.pop() ?? Buffer.allocUnsafeSlow(lent ? most : Math.min(most, left))
                const length = Math.min(most, left)
                const { bytesRead, buffer } = await handle.read(memory, 0, length, null)
                left = bytesRead === 0 ? 0 : left - bytesRead
                if (lent) return [lend(buffer.subarray(0, bytesRead), () => free.push(buffer))]
                const chunks: Array<Uint8Array> = []
                for (let at = 0; at < bytesRead; at += chunkBytes) {
                  chunks.push(buffer.subarray(at, Math.min(at + chunkBytes, bytesRead)))
                }
                return chunks
              })
              return Stream.fromEffectRepeat(next).pipe(
                Stream.takeUntil(() => left <= 0),
                Stream.flattenIterable,
              )
            }),
          ),

        write: Effect.fnUntraced(function* (path, content, mode) {
          const relative = yield* storagePath(path)
          const parts = relative.split("/")
          const name = parts.pop() ?? ""
          if (name === "") return yield* new NotAFile({ path, kind: "directory" })
          // Where all of it is there, one look says so; else each is looked at and made in turn.
          const parent = yield* resolve(parts.join("/")).pipe(
            Effect.catchTag("FileNotFound", () => makeDirectories(path, parts)),
          )
          const target = nodePath.join(parent, name)
          const temporary = nodePath.join(parent, `.${randomBytes(8).toString("hex")}.part`)
          const existing = yield* attempt(path, () => fs.lstat(target)).pipe(
            Effect.catchTag("FileNotFound", () => Effect.succeed(undefined)),
          )
          if (existing?.isDirectory()) return yield* new NotAFile({ path, kind: "directory" })
          const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL
          yield* Effect.scoped(
            Effect.gen(function* () {
              const handle = yield* open(path, temporary, flags, mode ?? 0o644)
              yield* content.pipe(
                Stream.buffer({ capacity: writeAhead }),
                Stream.runForEachArray((chunks) => attempt(path, () => writeAll(handle, chunks))),
              )
              if (mode !== undefined) yield* attempt(path, () => handle.chmod(mode & 0o777))
            }),
          ).pipe(
            Effect.andThen(attempt(path, () => fs.rename(temporary, target))),
            Effect.onExit((exit) =>
              Exit.isSuccess(exit)
                ? Effect.void
                : Effect.promise(() => fs.rm(temporary, { force: true }).catch(() => undefined)),
            ),
          )
        }),

        makeDirectory: Effect.fnUntraced(function* (path) {
          const relative = yield* storagePath(path === "" ? "." : path)
          yield* makeDirectories(path, relative === "" ? [] : relative.split("/"))
        }),

        walk: (path, { contents = -1 } = {}) =>
          Stream.unwrap(
            Effect.gen(function* () {
              const real = yield* resolve(path)
              const stats = yield* attempt(path, () => fs.lstat(real))
              if (!stats.isDirectory()) {
                return yield* new NotAFile({ path, kind: "file where a folder is needed" })
              }
              return walkDirectory(real, contents)
            }),
          ),
      })
    }),
  )
