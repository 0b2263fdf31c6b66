import { SandboxDriver, SessionFiles, type TransferProgress, unpackArchive } from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { TestClock } from "effect/testing"
import { makeMeter, upload } from "../packages/core/src/Transfer.ts"
import { bytes, date, downloaded, entry, id, layer, place } from "./support/transfers.ts"

describe("a download", () => {
  it.effect("counts what it brought, with times and without special bits", () =>
    Effect.gen(function* () {
      const report = yield* downloaded(
        [entry("d", "directory"), entry("d/a", "file", "12345"), entry("./", "directory")],
        "out",
        5,
      )
      assert.deepStrictEqual(report, { files: 1, directories: 1, bytes: 5, skipped: [] })
      const files = yield* SessionFiles
      assert.deepInclude(yield* files.stat("out/d/a"), { mode: 0o750, modifiedAt: date, size: 5 })
      assert.deepInclude(yield* files.stat("out/d"), { modifiedAt: date })
    }).pipe(Effect.provide(layer)),
  )

  it.effect("into the storage's own root puts everything there", () =>
    Effect.gen(function* () {
      for (const root of ["", "."]) {
        yield* downloaded([entry(`in${root}`, "file", "x")], root, 5)
        assert.strictEqual((yield* (yield* SessionFiles).stat(`in${root}`)).size, 1)
      }
    }).pipe(Effect.provide(layer)),
  )

  it.effect("of a file takes as many bytes as the limit, and not one more", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* downloaded("12345", "file", 5), {
        files: 1,
        directories: 0,
        bytes: 5,
        skipped: [],
      })
      const files = yield* SessionFiles
      assert.deepInclude(yield* files.stat("file"), { mode: 0o750, modifiedAt: date })
      const error = yield* Effect.flip(downloaded("12345", "other", 4))
      assert.deepInclude(error, { _tag: "FileTooLarge", path: "/work", size: 5, limit: 4 })
      const folder = yield* Effect.flip(downloaded([entry("a", "file", "12345")], "folder", 4))
      assert.deepInclude(folder, { _tag: "FileTooLarge", path: "/work", size: 5, limit: 4 })
    }).pipe(Effect.provide(layer)),
  )

  it.effect("of what is neither a file nor a folder says what it is", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(downloaded("device", "out", 5))
      assert.deepInclude(error, { _tag: "NotAFile", path: "/work", kind: "other" })
    }).pipe(Effect.provide(layer)),
  )
})

/** Uploads, and gives what the driver was asked to unpack or to write. */
const uploaded = Effect.fnUntraced(function* (from: string) {
  const driver = yield* SandboxDriver
  const got: Array<unknown> = []
  const report = yield* upload(
    {
      ...driver,
      putArchive: (_, path, archive) =>
        unpackArchive(archive, ({ path, kind, mode, modifiedAt, content }) =>
          Effect.map(Stream.runCollect(content), (pieces) => {
            const text = Buffer.concat(pieces).toString()
            got.push([path, kind, mode.toString(8), modifiedAt?.getTime(), text])
          }),
        ).pipe(Effect.catchTag("InvalidArchive", Effect.die), Effect.as(path), Effect.asVoid),
      writeFile: (_, path, { bytes, size, mode, modifiedAt }) =>
        Effect.map(Stream.runCollect(bytes), (pieces) => {
          const text = Buffer.concat(pieces).toString()
          got.push([path, size, mode?.toString(8), modifiedAt?.getTime(), text])
        }),
    },
    id,
    from,
    place,
  )
  return { report, got }
})

const large = "x".repeat(300_000)

describe("an upload", () => {
  it.effect("of a folder carries its files, small and large, and counts them", () =>
    Effect.gen(function* () {
      const files = yield* SessionFiles
      yield* files.write("in/d/small", Stream.succeed(bytes("small")), 0o4640, date)
      yield* files.write("in/large", Stream.succeed(bytes(large)), 0o600, date)
      yield* files.makeDirectory("in/d", date)
      for (const from of ["in", "in/"]) {
        const { report, got } = yield* uploaded(from)
        assert.deepStrictEqual(report, {
          files: 2,
          directories: 1,
          bytes: 300_005,
          skipped: [],
        })
        assert.deepStrictEqual(got, [
          ["d/", "directory", "755", date.getTime(), ""],
          ["d/small", "file", "640", date.getTime(), "small"],
          ["large", "file", "600", date.getTime(), large],
        ])
      }
      const all = yield* uploaded("")
      assert.strictEqual(all.report.files, 2)
      assert.deepInclude(all.got, ["in/large", "file", "600", date.getTime(), large])
    }).pipe(Effect.provide(layer)),
  )

  it.effect("of a file carries its size, rights and time", () =>
    Effect.gen(function* () {
      const files = yield* SessionFiles
      yield* files.write("in/a", Stream.succeed(bytes("text")), 0o4640, date)
      const { report, got } = yield* uploaded("in/a")
      assert.deepStrictEqual(report, { files: 1, directories: 0, bytes: 4, skipped: [] })
      assert.deepStrictEqual(got, [["/work", 4, "640", date.getTime(), "text"]])
    }).pipe(Effect.provide(layer)),
  )

  it.effect("leaves out what is no file, and says so", () =>
    Effect.gen(function* () {
      const files = yield* SessionFiles
      const odd = SessionFiles.of({
        ...files,
        stat: (path) =>
          Effect.succeed({ kind: path === "in" ? "directory" : "other", size: 0, mode: 0o644 }),
        walk: () => Stream.succeed({ path: "pipe", kind: "other", size: 0, mode: 0o644 }),
      })
      const { report, got } = yield* Effect.provideService(uploaded("in"), SessionFiles, odd)
      assert.deepStrictEqual(
        report.skipped.map(({ path }) => path),
        ["pipe"],
      )
      assert.deepStrictEqual(got, [])
      const error = yield* Effect.flip(Effect.provideService(uploaded("x"), SessionFiles, odd))
      assert.deepInclude(error, { _tag: "NotAFile", path: "x", kind: "other" })
    }).pipe(Effect.provide(layer)),
  )
})

describe("the progress of a transfer", () => {
  it.effect("is told five times a second at most, with its rate in bytes a second", () =>
    Effect.gen(function* () {
      const told: Array<TransferProgress> = []
      const meter = yield* makeMeter((progress) => Effect.sync(() => void told.push(progress)), 900)
      yield* meter.bytes(100)
      yield* TestClock.adjust(199)
      yield* meter.bytes(100)
      assert.deepStrictEqual(told, [])
      yield* TestClock.adjust(1)
      yield* meter.bytes(100)
      assert.deepStrictEqual(told.splice(0), [{ bytes: 300, files: 0, total: 900, rate: 1500 }])
      yield* TestClock.adjust(100)
      yield* meter.bytes(0)
      assert.deepStrictEqual(told, [])
      yield* meter.done
      assert.deepStrictEqual(told, [{ bytes: 300, files: 0, total: 900, rate: 1000 }])
    }),
  )

  it.effect("of a folder has no total", () =>
    Effect.gen(function* () {
      const told: Array<TransferProgress> = []
      const meter = yield* makeMeter((progress) => Effect.sync(() => void told.push(progress)))
      yield* meter.done
      assert.deepStrictEqual(told, [{ bytes: 0, files: 0, rate: 0 }])
    }),
  )
})
