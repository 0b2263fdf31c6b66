import { setTimeout } from "node:timers/promises"
import { type ArchiveEntry, SessionFiles } from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Predicate, Stream } from "effect"
import { pack } from "tar-stream"
import { Unpacked } from "../packages/core/src/transfer/untrusted/Unpacked.ts"
import { bytes, date, downloaded, entry, layer, link, textOf } from "./support/transfers.ts"

/** Storage whose first write of `slow` begins when it is told to. */
const slowStorage = Effect.gen(function* () {
  const files = yield* SessionFiles
  const begun = yield* Deferred.make<void>()
  const go = yield* Deferred.make<void>()
  let first = true
  const write: typeof files.write = (path, content, ...rest) => {
    if (!path.endsWith("/slow") || !first) return files.write(path, content, ...rest)
    first = false
    return Deferred.succeed(begun, undefined).pipe(
      Effect.andThen(Deferred.await(go)),
      Effect.andThen(files.write(path, content, ...rest)),
    )
  }
  return { files: SessionFiles.of({ ...files, write }), begun, go }
})

const large = "x".repeat(100_000)

describe("a download to a slow storage", () => {
  for (const [title, then, expected] of [
    ["copies a file for a hard link when it is there", link("copy", "slow"), "text"],
    [
      "keeps the later of two files with one name, be it a small one",
      entry("slow", "file", "later"),
      "later",
    ],
    [
      "keeps the later of two files with one name, be it a large one",
      entry("slow", "file", large),
      large,
    ],
  ] as const) {
    it.effect(title, () =>
      Effect.gen(function* () {
        const { files, begun, go } = yield* slowStorage
        const download = yield* downloaded(
          [entry("slow", "file", "text"), then],
          "out",
          200_000,
        ).pipe(Effect.provideService(SessionFiles, files), Effect.forkChild)
        // A download that fails before is not waited for.
        yield* Effect.raceFirst(Deferred.await(begun), Fiber.join(download))
        // All that does not wait for the first file has its turn.
        yield* Effect.promise(() => setTimeout(20))
        yield* Deferred.succeed(go, undefined)
        yield* Fiber.join(download)
        assert.strictEqual(yield* textOf(`out/${then.path}`), expected)
      }).pipe(Effect.provide(layer)),
    )
  }

  it.effect("writes small files concurrently, and holds no large one in memory", () =>
    Effect.gen(function* () {
      const files = yield* SessionFiles
      const eight = yield* Deferred.make<void>()
      let writing = 0
      let produced = 0
      let before = 0
      const write: typeof files.write = (path, content, ...rest) =>
        Effect.gen(function* () {
          if (path.endsWith("/large")) before = produced
          else if (++writing === 8) yield* Deferred.succeed(eight, undefined)
          else yield* Deferred.await(eight)
          yield* files.write(path, content, ...rest)
        })
      const size = 10_000_000
      const piece = new Uint8Array(size / 100)
      const content = Stream.tap(
        Stream.fromIterable(Array.from({ length: 100 }, () => piece)),
        () =>
          Effect.sync(() => {
            produced += piece.length
          }),
      )
      const small = Array.from({ length: 8 }, (_, n) => entry(`${n}`, "file", "x"))
      const found = [...small, { ...entry("large", "file"), size, content }]
      yield* downloaded(found, "out", 2 * size).pipe(
        Effect.provideService(SessionFiles, { ...files, write }),
      )
      assert.strictEqual((yield* files.stat("out/large")).size, size)
      assert.isBelow(before, size / 2)
    }).pipe(Effect.provide(layer)),
  )
})

describe("the limits of a download", () => {
  const count = (times: number, entry: ArchiveEntry) =>
    Effect.gen(function* () {
      const unpacked = new Unpacked()
      for (let n = 0; n < times; n++) yield* unpacked.count("/from", entry)
    })

  it.effect("are half a million entries", () =>
    Effect.gen(function* () {
      const empty = entry("", "directory")
      yield* count(500_000, empty)
      const error = yield* Effect.flip(count(500_001, empty))
      assert.deepInclude(error, { _tag: "FileTooLarge", size: 500_001, limit: 500_000 })
    }),
  )

  it.effect("are 64 Mi characters of names", () =>
    Effect.gen(function* () {
      const half = "x".repeat(2 ** 20)
      yield* count(32, link(half, half))
      assert.strictEqual((yield* Effect.flip(count(33, link(half, half))))._tag, "InvalidArchive")
    }),
  )
})

describe("a download of a hostile archive", () => {
  it.effect("accepts hard links to earlier files of the archive, and to nothing else", () =>
    Effect.gen(function* () {
      const files = yield* SessionFiles
      yield* files.write("out/mine", Stream.succeed(bytes("mine")))
      yield* files.write("secret", Stream.succeed(bytes("secret")))
      const { skipped } = yield* downloaded([
        link("before", "first"),
        entry("first", "file", "1"),
        entry("folder", "directory"),
        { ...link("symlink", "first"), kind: "symlink" },
        link("second", "./first"),
        link("third", "second"),
        link("first", "first"),
        link("of-mine", "mine"),
        link("of-folder", "folder"),
        link("of-symlink", "symlink"),
        link("outside", "../secret"),
        link("absolute", "/etc/passwd"),
        link("nothing", ""),
        link("../out-of-it", "first"),
      ])
      assert.deepStrictEqual(
        skipped.map(({ path }) => path),
        [
          "before",
          "symlink",
          "first",
          "of-mine",
          "of-folder",
          "of-symlink",
          "outside",
          "absolute",
          "nothing",
          "../out-of-it",
        ],
      )
      for (const name of ["first", "second", "third"]) {
        assert.strictEqual(yield* textOf(`out/${name}`), "1")
      }
      assert.strictEqual(yield* textOf("out/mine"), "mine")
      assert.deepInclude(yield* files.stat("out/third"), { mode: 0o750, modifiedAt: date })
    }).pipe(Effect.provide(layer)),
  )

  it.effect("counts the bytes of each hard link", () =>
    Effect.gen(function* () {
      const entries = [
        entry("file", "file", "x".repeat(100)),
        ...Array.from({ length: 20 }, (_, n) => link(`link-${n}`, "file")),
      ]
      const error = yield* Effect.flip(downloaded(entries))
      assert.strictEqual(error._tag, "FileTooLarge")
    }).pipe(Effect.provide(layer)),
  )

  it.effect("skips devices and pipes", () =>
    Effect.gen(function* () {
      const archive = pack()
      archive.entry({ name: "disk", type: "block-device" })
      archive.entry({ name: "pipe", type: "fifo" })
      archive.entry({ name: "fine" }, "fine")
      archive.finalize()
      const { files, skipped } = yield* downloaded(
        Stream.fromAsyncIterable(archive, String).pipe(
          Stream.filter(Predicate.isUint8Array),
          Stream.orDie,
        ),
      )
      assert.deepStrictEqual(
        skipped.map(({ path }) => path),
        ["disk", "pipe"],
      )
      assert.strictEqual(files, 1)
    }).pipe(Effect.provide(layer)),
  )

  it.effect("limits the memory for names", () =>
    Effect.gen(function* () {
      const long = "x".repeat(1_000_000)
      const entries = Array.from({ length: 100 }, () => link("a", long))
      assert.strictEqual((yield* Effect.flip(downloaded(entries)))._tag, "InvalidArchive")
    }).pipe(Effect.provide(layer)),
  )

  it.effect("skips names that the storage's host can't hold, and writes the rest", () =>
    Effect.gen(function* () {
      const files = yield* SessionFiles
      const refuses = (path: string) => (path.includes("\\") ? "not on this host" : undefined)
      const { skipped } = yield* downloaded([
        entry("..\\..\\evil", "file", "x"),
        entry("a\\b", "directory"),
        entry("fine", "file", "fine"),
        link("a\\c", "fine"),
      ]).pipe(Effect.provideService(SessionFiles, { ...files, refuses }))
      assert.deepStrictEqual(
        skipped.map(({ reason }) => reason),
        Array.from({ length: 3 }, () => "not on this host"),
      )
      assert.strictEqual(yield* textOf("out/fine"), "fine")
    }).pipe(Effect.provide(layer)),
  )
})
