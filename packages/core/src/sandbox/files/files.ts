import { Effect, Stream } from "effect"
import { FileTooLarge } from "../../errors.ts"
import { download } from "../../transfer/download.ts"
import { upload } from "../../transfer/upload.ts"
import { decodeText, encodeText } from "../../values/Text.ts"
import type { SandboxContext } from "../context.ts"
import { makeFolders } from "./folders.ts"
import type { ReadOptions, SandboxFiles } from "./SandboxFiles.ts"
import { makeWatch } from "./watch.ts"

/** Reads files, and tells what is at a path. */
const makeReading = ({ driver, id, at, use, useStream, settings }: SandboxContext) => {
  const stat = Effect.fn("Sandbox.files.stat")(function* (path: string) {
    return yield* use(driver.stat(id, yield* at(path)))
  })

  const stream: SandboxFiles["stream"] = (path, options) =>
    Stream.unwrap(Effect.map(at(path), (at) => useStream(driver.readFile(id, at, options))))

  const read = Effect.fn("Sandbox.files.read")(function* (path: string, options: ReadOptions = {}) {
    const limit = settings.fileLimit
    // One byte more than is allowed is enough to tell that there is more.
    const length = Math.min(options.length ?? limit + 1, limit + 1)
    const bytes = Buffer.concat(yield* Stream.runCollect(stream(path, { ...options, length })))
    if (bytes.length > limit) {
      const { size } = yield* stat(path)
      return yield* new FileTooLarge({ path, size, limit })
    }
    return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
  })

  return {
    stat,
    stream,
    read,
    readText: (path: string) => Effect.flatMap(read(path), (bytes) => decodeText(path, bytes)),
    exists: (path: string) =>
      stat(path).pipe(
        Effect.as(true),
        Effect.catchTag("FileNotFound", () => Effect.succeed(false)),
      ),
  }
}

const makeWriting = ({ driver, id, at, use }: SandboxContext): Pick<SandboxFiles, "write"> => ({
  write: Effect.fn("Sandbox.files.write")(function* (path, content, { mode, size } = {}) {
    const target = yield* at(path)
    if (typeof content !== "string" && !(content instanceof Uint8Array)) {
      return yield* use(driver.writeFile(id, target, { bytes: content, size, mode }))
    }
    const bytes = typeof content === "string" ? yield* encodeText("content", content) : content
    const whole = { bytes: Stream.succeed(bytes), size: bytes.length, mode }
    return yield* use(driver.writeFile(id, target, whole))
  }),
})

const makeTransfers = ({
  driver,
  id,
  at,
  use,
  settings,
}: SandboxContext): Pick<SandboxFiles, "upload" | "download"> => ({
  upload: Effect.fnUntraced(function* (from, to, onProgress) {
    return yield* use(upload(driver, id, from, yield* at(to), onProgress))
  }),
  download: Effect.fnUntraced(function* (from, to, onProgress) {
    const limit = settings.transferLimit
    return yield* use(download(driver, id, yield* at(from), to, limit, onProgress))
  }),
})

/** The files of one sandbox. */
export const makeFiles = (context: SandboxContext): SandboxFiles => ({
  resolve: (path) => context.at(path),
  ...makeReading(context),
  ...makeWriting(context),
  ...makeFolders(context),
  ...makeTransfers(context),
  watch: makeWatch(context),
})
