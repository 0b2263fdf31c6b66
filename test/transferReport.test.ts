import { SandboxDriver, SessionFiles, type TransferProgress, unpackArchive } from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { TestClock } from "effect/testing"
import { makeMeter, type OnTransfer } from "../packages/core/src/transfer/progress.ts"
import { upload } from "../packages/core/src/transfer/upload.ts"
import { bytes, date, downloaded, entry, id, layer, place } from "./support/transfers.ts"

const note =
  (told: Array<TransferProgress>): OnTransfer =>
  (progress) =>
    Effect.sync(() => void told.push(progress))

describe("a download", () => {
  it.effect("counts its files, and keeps times but no set-id bits", () =>
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

  it.effect("into the storage's root puts everything there", () =>
    Effect.gen(function* () {
      for (const root of ["", "."]) {
        yield* downloaded([entry(`in${root}`, "file", "x")], root, 5)
        assert.strictEqual((yield* (yield* SessionFiles).stat(`in${root}`)).size, 1)
      }
    }).pipe(Effect.provide(layer)),
  )

  it.effect("of a file accepts as many bytes as the limit, and not one more", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* downloaded("12345", "file", 5), {
        files: 1,
        directories: 0,
        bytes: 5,
        skipped: [],
      })
      const files = yield* SessionFiles
      assert.deepInclude(yield* files.stat("file"), { mode: 0o750, modifiedAt: date })
      const error = yield* Effect.flip(downloaded("12345", "other", 3))
      assert.deepInclude(error, { _tag: "FileTooLarge", path: "/work", size: 5, limit: 3 })
      const folder = yield* Effect.flip(downloaded([entry("a", "file", "12345")], "folder", 4))
      assert.deepInclude(folder, { _tag: "FileTooLarge", path: "/work", size: 5, limit: 4 })
    }).pipe(Effect.provide(layer)),
  )

  it.effect("reports the bytes so far, and the total for a single file", () =>
    Effect.gen(function* () {
      for (const [into, found, last] of [
        ["file", "12345", { bytes: 5, files: 1, total: 5, rate: 5000 }],
        [
          "folder",
          [entry("a", "file", "123")],
          { bytes: 3, files: 1, total: undefined, rate: 3000 },
        ],
      ] as const) {
        const told: Array<TransferProgress> = []
        yield* downloaded(found, into, 5, note(told))
        assert.deepStrictEqual(told.at(-1), last)
      }
    }).pipe(Effect.provide(layer)),
  )

  it.effect("of something that is neither file nor folder fails and says what it is", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(downloaded("device", "out", 5))
      assert.deepInclude(error, { _tag: "NotAFile", path: "/work", kind: "other" })
    }).pipe(Effect.provide(layer)),
  )
})

/** Uploads, and gives what the driver was asked to unpack or to write. */
const uploaded = Effect.fnUntraced(function* (from: string, onProgress?: OnTransfer) {
  const driver = yield* SandboxDriver
  const got: Array<ReadonlyArray<unknown>> = []
  const report = yield* upload(
    {
      ...driver,
      putArchive: (_, path, archive) =>
        unpackArchive(archive, ({ path, kind, mode, modifiedAt, content, linkTarget }) =>
          Effect.map(Stream.runCollect(content), (pieces) => {
            const text = linkTarget ?? Buffer.concat(pieces).toString()
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
    onProgress,
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
        const read: Array<string> = []
        const watched = SessionFiles.of({
          ...files,
          read: (path) => {
            read.push(path)
            return files.read(path)
          },
        })
        const { report, got } = yield* Effect.provideService(uploaded(from), SessionFiles, watched)
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
        // The small one came with the walk.
        assert.deepStrictEqual(read, ["in/large"])
      }
      const told: Array<TransferProgress> = []
      const all = yield* uploaded("", note(told))
      assert.deepStrictEqual(told, [
        { bytes: 300_005, files: 2, total: undefined, rate: 300_005_000 },
      ])
      assert.strictEqual(all.report.files, 2)
      assert.deepInclude(all.got, ["in/large", "file", "600", date.getTime(), large])
    }).pipe(Effect.provide(layer)),
  )

  it.effect("of a file keeps its size, mode and time", () =>
    Effect.gen(function* () {
      const files = yield* SessionFiles
      yield* files.write("in/a", Stream.succeed(bytes("text")), 0o4640, date)
      const told: Array<TransferProgress> = []
      const { report, got } = yield* uploaded("in/a", note(told))
      assert.deepStrictEqual(told, [{ bytes: 4, files: 1, total: 4, rate: 4000 }])
      assert.deepStrictEqual(report, { files: 1, directories: 0, bytes: 4, skipped: [] })
      assert.deepStrictEqual(got, [["/work", 4, "640", date.getTime(), "text"]])
    }).pipe(Effect.provide(layer)),
  )

  it.effect("skips what is neither file, folder nor link, and reports it", () =>
    Effect.gen(function* () {
      const files = yield* SessionFiles
      const odd = SessionFiles.of({
        ...files,
        stat: (path) =>
          Effect.succeed({ kind: path === "in" ? "directory" : "other", size: 0, mode: 0o644 }),
        walk: () =>
          Stream.make(
            { path: "pipe", kind: "other", size: 0, mode: 0o644 },
            { path: "link", kind: "symlink", size: 0, mode: 0o777, linkTarget: "there" },
          ),
      })
      const { report, got } = yield* Effect.provideService(uploaded("in"), SessionFiles, odd)
      assert.deepStrictEqual(
        report.skipped.map(({ path }) => path),
        ["pipe"],
      )
      assert.deepStrictEqual(
        got.map(([path, kind, , , target]) => [path, kind, target]),
        [["link", "symlink", "there"]],
      )
      const error = yield* Effect.flip(Effect.provideService(uploaded("x"), SessionFiles, odd))
      assert.deepInclude(error, { _tag: "NotAFile", path: "x", kind: "other" })
    }).pipe(Effect.provide(layer)),
  )
})

describe("the progress of a transfer", () => {
  it.effect("is reported at most five times a second, with its rate in bytes per second", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust(5000)
      const told: Array<TransferProgress> = []
      const meter = yield* makeMeter(note(told), 900)
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
})
