import { randomBytes } from "node:crypto"
import { constants } from "node:fs"
import * as fs from "node:fs/promises"
import { Effect, Exit, Stream } from "effect"
import { NotAFile } from "../errors.ts"
import type { SessionFilesError } from "../SessionFiles.ts"
import { giveBack } from "../transfer/lentBytes.ts"
import type { Folder, Tree } from "./folder.ts"
import { attempt, openFile, openFolder, placeOf } from "./opening.ts"

/** A new name for a file that is not whole yet. */
export const partName = () => `.${randomBytes(8).toString("hex")}.part`

// Bytes that are written at once.
const writeBytes = 512 * 1024

const sizeOf = (chunks: ReadonlyArray<Uint8Array>) =>
  chunks.reduce((sum, { length }) => sum + length, 0)

const writeAll = async (handle: fs.FileHandle, chunks: ReadonlyArray<Uint8Array>) => {
  const { bytesWritten } = await handle.writev([...chunks])
  const rest = Buffer.concat(bytesWritten < sizeOf(chunks) ? chunks : []).subarray(bytesWritten)
  if (rest.length > 0) await handle.writeFile(rest)
}

/** Gathers chunks of a file and writes many at once, while more of them come. */
class FileWriter {
  readonly #handle: fs.FileHandle
  #waiting: Array<Uint8Array> = []
  /** Bytes that wait. */
  #bytes = 0
  #writing = Promise.resolve()

  constructor(handle: fs.FileHandle) {
    this.#handle = handle
  }

  /** @returns whether enough waits to be flushed */
  add(chunks: ReadonlyArray<Uint8Array>): boolean {
    this.#bytes += sizeOf(chunks)
    this.#waiting.push(...chunks)
    return this.#bytes >= writeBytes
  }

  /** Begins to write what waits, and returns once what was flushed before is written. */
  async flush(): Promise<void> {
    await this.#writing
    const chunks = this.#waiting
    this.#waiting = []
    this.#bytes = 0
    this.#writing = this.#write(chunks)
    this.#writing.catch(() => {})
  }

  /** Writes all that waits. */
  async end(): Promise<void> {
    await this.flush()
    await this.#writing
  }

  async #write(chunks: ReadonlyArray<Uint8Array>): Promise<void> {
    await writeAll(this.#handle, chunks)
    chunks.forEach(giveBack)
  }
}

/** A file that is to be written. */
interface NewFile<E> {
  readonly path: string
  readonly content: Stream.Stream<Uint8Array, E>
  readonly mode: number | undefined
  readonly modifiedAt: Date | undefined
}

/** Writes the file under a temporary name. */
const writePart = <E>(
  folder: Folder,
  part: string,
  { path, content, mode, modifiedAt }: NewFile<E>,
): Effect.Effect<void, SessionFilesError | E> =>
  Effect.gen(function* () {
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL
    const handle = yield* openFile(path, folder, part, flags, mode ?? 0o644)
    const writer = new FileWriter(handle)
    yield* Stream.runForEachArray(content, (chunks) =>
      writer.add(chunks) ? attempt(path, () => writer.flush()) : Effect.void,
    )
    yield* attempt(path, () => writer.end())
    if (mode !== undefined) yield* attempt(path, () => handle.chmod(mode & 0o777))
    if (modifiedAt !== undefined) {
      yield* attempt(path, () => handle.utimes(modifiedAt, modifiedAt))
    }
  }).pipe(Effect.scoped)

/** See `SessionFiles.write`. The file gets its name once it is whole. */
export const writeFile = <E>(
  tree: Tree,
  file: NewFile<E>,
): Effect.Effect<void, SessionFilesError | E> =>
  Effect.gen(function* () {
    const { path } = file
    const { above, name } = yield* placeOf(path)
    const folder = yield* openFolder(tree, above, true)
    const target = folder.at(name)
    const part = partName()
    const temporary = folder.at(part)
    const existing = yield* attempt(path, () => fs.lstat(target)).pipe(
      Effect.catchTag("FileNotFound", () => Effect.succeed(undefined)),
    )
    if (existing?.isDirectory()) return yield* new NotAFile({ path, kind: "directory" })
    const rename = attempt(path, async () => {
      folder.check()
      await fs.rename(temporary, target)
    })
    yield* Effect.andThen(writePart(folder, part, file), rename).pipe(
      Effect.onExit((exit) =>
        Exit.isSuccess(exit)
          ? Effect.void
          : Effect.promise(() => fs.rm(temporary, { force: true }).catch(() => undefined)),
      ),
    )
  }).pipe(Effect.scoped)
