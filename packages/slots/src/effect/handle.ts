import { Effect, FileSystem, Option, type PlatformError, Stream } from "effect"
import { append, cut, flagsOf, part, statOf, type Target, writeAt } from "./content.ts"
import { badArgument } from "./failure.ts"
import { infoOf } from "./info.ts"

type Failure = PlatformError.PlatformError

/** An open file: its path, and where in it the next byte is read or written. */
export const handleOf = (opened: Target, flag: FileSystem.OpenFlag): FileSystem.File => {
  const { reads, writes, appends } = flagsOf(flag)
  let cursor = 0n

  const at = (method: string): Target => ({ ...opened, place: { ...opened.place, method } })
  const refuse = (method: string, why: string) => Effect.fail(badArgument(at(method).place, why))

  const readAt = (method: string, size: number, options: FileSystem.File.ReadOptions = {}) =>
    Effect.gen(function* () {
      if (!reads) return yield* refuse(method, "The file is open to be written only")
      if (!Number.isInteger(size) || size < 0) {
        return yield* refuse(method, "The size must be a non-negative integer")
      }
      const start = options.position ?? cursor
      if (start < 0n) return yield* refuse(method, "Cannot read before the start of the file")
      if (size === 0 || start > BigInt(Number.MAX_SAFE_INTEGER)) return new Uint8Array()
      const pieces = yield* Stream.runCollect(
        part(at(method), { offset: Number(start), length: size }),
      )
      const bytes = new Uint8Array(Buffer.concat(pieces))
      if (options.position === undefined) cursor = start + BigInt(bytes.length)
      return bytes
    })

  const write = (method: string, bytes: Uint8Array): Effect.Effect<void, Failure> =>
    Effect.gen(function* () {
      if (!writes) return yield* refuse(method, "The file is open to be read only")
      if (bytes.length === 0) return
      if (appends) return yield* append(at(method), Stream.succeed(bytes))
      if (cursor > BigInt(Number.MAX_SAFE_INTEGER)) {
        return yield* refuse(method, "The position is beyond what a file can hold")
      }
      yield* writeAt(at(method), Number(cursor), bytes)
      cursor += BigInt(bytes.length)
    })

  return {
    [FileSystem.FileTypeId]: FileSystem.FileTypeId,
    stat: Effect.suspend(() => Effect.map(statOf(at("stat")), infoOf)),
    seek: (offset, from) =>
      Effect.suspend(() => {
        const position = from === "start" ? offset : cursor + offset
        if (position < 0n) return refuse("seek", "Cannot seek before the start of the file")
        cursor = position
        return Effect.succeed(position)
      }),
    // Written data has reached the sandbox already.
    sync: Effect.void,
    read: (buffer, options) =>
      Effect.map(readAt("read", buffer.length, options), (bytes) => {
        buffer.set(bytes)
        return bytes.length
      }),
    readAlloc: (size, options) =>
      Effect.map(readAt("readAlloc", size, options), (bytes) =>
        bytes.length === 0 ? Option.none() : Option.some(bytes),
      ),
    truncate: (length = 0) =>
      Effect.gen(function* () {
        if (!writes) return yield* refuse("truncate", "The file is open to be read only")
        yield* cut(at("truncate"), length)
        if (!appends && cursor > BigInt(length)) cursor = BigInt(length)
      }),
    write: (buffer) => Effect.as(write("write", buffer), buffer.length),
    writeAll: (buffer) => write("writeAll", buffer),
  }
}
