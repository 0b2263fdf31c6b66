import {
  type ArchiveEntry,
  FilePath,
  packArchive,
  SandboxDriver,
  type SandboxId,
  SandboxName,
  SessionFiles,
  SessionId,
  sandboxId,
  sessionFilesMemory,
  sessionKey,
} from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import { download } from "../packages/core/src/Download.ts"

const id: SandboxId = sandboxId(sessionKey(SessionId.make("transfer")), SandboxName.make("hostile"))

type Entry = Partial<ArchiveEntry> & { readonly path: string; readonly text?: string }

/** Downloads what a hostile sandbox calls its folder. */
const downloaded = (entries: ReadonlyArray<Entry>, limit = 1000) =>
  Effect.gen(function* () {
    const driver = yield* SandboxDriver
    const archive = packArchive(
      Stream.fromIterable(entries).pipe(
        Stream.map(({ text = "", ...entry }): ArchiveEntry => {
          const bytes = new TextEncoder().encode(text)
          return {
            kind: "file",
            size: bytes.length,
            mode: 0o644,
            content: Stream.succeed(bytes),
            ...entry,
          }
        }),
      ),
    )
    const hostile: typeof driver = {
      ...driver,
      stat: () => Effect.succeed({ kind: "directory", size: 0, mode: 0o755 }),
      getArchive: () => archive,
    }
    return yield* download(hostile, id, FilePath.make("/out"), "out", limit)
  }).pipe(Effect.scoped)

const textOf = (path: string) =>
  Effect.gen(function* () {
    const files = yield* SessionFiles
    return Buffer.concat(yield* Stream.runCollect(files.read(path))).toString()
  })

const layer = Layer.merge(sessionFilesMemory, memory())
const link = (path: string, linkTarget: string): Entry => ({ path, kind: "hardlink", linkTarget })

describe("a download of a hostile archive", () => {
  it.effect("takes hard links to earlier files of the archive, and to nothing else", () =>
    Effect.gen(function* () {
      const files = yield* SessionFiles
      yield* files.write("out/mine", Stream.succeed(new TextEncoder().encode("mine")))
      yield* files.write("secret", Stream.succeed(new TextEncoder().encode("secret")))
      const { skipped } = yield* downloaded([
        link("before", "first"),
        { path: "first", text: "1" },
        { path: "folder", kind: "directory" },
        { path: "symlink", kind: "symlink", linkTarget: "first" },
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
        { path: "file", text: "x".repeat(100) },
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
        { path: "..\\..\\evil", text: "x" },
        { path: "a\\b", kind: "directory" },
        { path: "fine", text: "fine" },
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
