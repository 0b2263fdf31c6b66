import { SessionFiles } from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { bytes, downloaded, entry, layer, link, textOf } from "./support/transfers.ts"

describe("a download of a hostile archive", () => {
  it.effect("takes hard links to earlier files of the archive, and to nothing else", () =>
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

  it.effect("bounds what it remembers of names", () =>
    Effect.gen(function* () {
      const long = "x".repeat(1_000_000)
      const entries = Array.from({ length: 100 }, () => link("a", long))
      assert.strictEqual((yield* Effect.flip(downloaded(entries)))._tag, "InvalidArchive")
    }).pipe(Effect.provide(layer)),
  )

  it.effect("leaves out names that the storage's host can't have, and takes the rest", () =>
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
