import * as fs from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { giveBack, SessionFiles, sessionFilesDirectory, sessionFilesMemory } from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Stream } from "effect"
import * as fc from "fast-check"

const bytes = (text: string) => Stream.succeed(new TextEncoder().encode(text))
const text = (stream: Stream.Stream<Uint8Array, unknown>) =>
  Effect.map(Stream.runCollect(stream), (chunks) => Buffer.concat(chunks).toString())

const temporary = Effect.acquireRelease(
  Effect.promise(() => fs.mkdtemp(join(tmpdir(), "cordon-files-"))),
  (path) => Effect.promise(() => fs.rm(path, { recursive: true })),
)

const directoryLayer = Layer.unwrap(
  Effect.map(temporary, (path) => Layer.orDie(sessionFilesDirectory(join(path, "new")))),
)

describe.each([
  ["memory", sessionFilesMemory],
  ["directory", directoryLayer],
])("SessionFiles in %s", (_, layer) => {
  it.effect("writes, reads, and walks parents before children", () =>
    Effect.gen(function* () {
      const files = yield* SessionFiles
      yield* files.write("a/b/c.txt", bytes("hello"), 0o755)
      yield* files.write("a/b.txt", Stream.make(new Uint8Array([1]), new Uint8Array([2, 3])))
      yield* files.makeDirectory("a/empty")
      assert.strictEqual(yield* text(files.read("a/b/c.txt")), "hello")
      assert.deepStrictEqual(yield* files.stat("a/b/c.txt"), { kind: "file", size: 5, mode: 0o755 })
      const walked = yield* Stream.runCollect(files.walk("a"))
      assert.deepStrictEqual(
        walked.map((entry) => `${entry.kind} ${entry.path}`),
        ["directory b", "file b/c.txt", "file b.txt", "directory empty"],
      )
    }).pipe(Effect.provide(layer)),
  )

  it.effect("walks with the contents of small files", () =>
    Effect.gen(function* () {
      const files = yield* SessionFiles
      yield* files.write("a/small", bytes("12345"), 0o755)
      yield* files.write("a/large", bytes("123456"))
      yield* files.write("a/none", Stream.empty)
      const found = yield* Stream.runCollect(files.walk("a", { contents: 5 }))
      assert.deepStrictEqual(
        found.map(({ path, size, content }) => [
          path,
          size,
          content && Buffer.from(content).toString(),
        ]),
        [
          ["large", 6, undefined],
          ["none", 0, ""],
          ["small", 5, "12345"],
        ],
      )
      const bare = yield* Stream.runCollect(files.walk("a"))
      assert.isTrue(bare.every(({ content }) => content === undefined))
      assert.deepStrictEqual(
        bare.map(({ path, mode }) => [path, mode]),
        found.map(({ path, mode }) => [path, mode]),
      )
    }).pipe(Effect.provide(layer)),
  )

  it.effect("refuses what is not there, not a file, or not inside", () =>
    Effect.gen(function* () {
      const files = yield* SessionFiles
      yield* files.write("d/f", bytes("x"))
      const tag = <A, E extends { readonly _tag: string }>(effect: Effect.Effect<A, E>) =>
        Effect.map(Effect.flip(effect), (error) => error._tag)
      assert.strictEqual(yield* tag(files.stat("no")), "FileNotFound")
      assert.strictEqual(yield* tag(Stream.runDrain(files.read("no"))), "FileNotFound")
      assert.strictEqual(yield* tag(Stream.runDrain(files.read("d"))), "NotAFile")
      assert.strictEqual(yield* tag(Stream.runDrain(files.walk("d/f"))), "NotAFile")
      assert.strictEqual(yield* tag(files.write("d", bytes("x"))), "NotAFile")
      assert.strictEqual(yield* tag(files.write("d/f/g", bytes("x"))), "NotAFile")
      for (const path of ["../x", "/x", "a/../../x", "", "a\0b"]) {
        assert.strictEqual(yield* tag(files.write(path, bytes("x"))), "InvalidPath")
      }
    }).pipe(Effect.provide(layer)),
  )

  it.effect("leaves the old file in place when new content fails to come", () =>
    Effect.gen(function* () {
      const files = yield* SessionFiles
      yield* files.write("f", bytes("old"))
      const broken = Stream.concat(bytes("new"), Stream.fail("cut" as const))
      assert.strictEqual(yield* Effect.flip(files.write("f", broken)), "cut")
      assert.strictEqual(yield* text(files.read("f")), "old")
      assert.strictEqual((yield* Stream.runCollect(files.walk(""))).length, 1)
    }).pipe(Effect.provide(layer)),
  )
})

describe("SessionFiles in a directory", () => {
  const withRoot = <A, E>(
    f: (root: string, outside: string) => Effect.Effect<A, E, SessionFiles>,
  ) =>
    Effect.gen(function* () {
      const base = yield* temporary
      const root = join(base, "root")
      const outside = join(base, "outside")
      yield* Effect.promise(async () => {
        await fs.mkdir(root)
        await fs.mkdir(outside)
        await fs.writeFile(join(outside, "secret"), "secret")
      })
      return yield* f(root, outside).pipe(Effect.provide(sessionFilesDirectory(root)))
    })

  it.effect("neither reads nor writes through links that lead out", () =>
    withRoot((root, outside) =>
      Effect.gen(function* () {
        const files = yield* SessionFiles
        yield* Effect.promise(async () => {
          await fs.symlink(outside, join(root, "dir"))
          await fs.symlink(join(outside, "secret"), join(root, "file"))
          await fs.symlink("../outside/secret", join(root, "relative"))
          await fs.symlink("loop", join(root, "loop"))
        })
        for (const path of ["dir/secret", "file", "relative", "loop"]) {
          const error = yield* Effect.flip(Stream.runDrain(files.read(path)))
          assert.strictEqual(error._tag, "InvalidPath")
        }
        assert.strictEqual(
          (yield* Effect.flip(files.write("dir/new", bytes("x"))))._tag,
          "InvalidPath",
        )
        assert.strictEqual((yield* Effect.flip(files.makeDirectory("dir/new")))._tag, "InvalidPath")
        // The link itself is replaced; what it points to stays.
        yield* files.write("file", bytes("mine"))
        const [secret, names] = yield* Effect.promise(() =>
          Promise.all([fs.readFile(join(outside, "secret"), "utf8"), fs.readdir(outside)]),
        )
        assert.strictEqual(secret, "secret")
        assert.deepStrictEqual(names, ["secret"])
        assert.strictEqual(yield* text(files.read("file")), "mine")
      }),
    ),
  )

  it.effect("reads into memory that was given back, and into no other", () =>
    withRoot((root) =>
      Effect.gen(function* () {
        const files = yield* SessionFiles
        const content = Buffer.alloc(3_000_000, "0123456789abcdefghijklmnopqrstuvwxyz")
        yield* Effect.promise(() => fs.writeFile(join(root, "big"), content))
        for (const returning of [true, false]) {
          const copies: Array<Buffer> = []
          const pieces: Array<Uint8Array> = []
          yield* Stream.runForEach(files.read("big", { lent: true }), (piece) =>
            Effect.sync(() => {
              copies.push(Buffer.from(piece))
              pieces.push(piece)
              if (returning) giveBack(piece)
            }),
          )
          assert.isTrue(Buffer.concat(copies).equals(content))
          const memory = new Set(pieces.map(({ buffer }) => buffer))
          if (returning) assert.isBelow(memory.size, pieces.length / 2)
          else assert.isTrue(Buffer.concat(pieces).equals(content))
        }
      }),
    ),
  )

  it.effect("walks with no content from behind a folder that became a link", () =>
    withRoot((root, outside) =>
      Effect.gen(function* () {
        const files = yield* SessionFiles
        yield* files.write("a/first", bytes("1"))
        yield* files.write("a/folder/secret", bytes("mine"))
        const walked = files.walk("a", { contents: 100 }).pipe(
          Stream.tap(({ path }) =>
            path !== "folder"
              ? Effect.void
              : Effect.promise(async () => {
                  await fs.rm(join(root, "a/folder"), { recursive: true })
                  await fs.symlink(outside, join(root, "a/folder"))
                }),
          ),
        )
        assert.strictEqual((yield* Effect.flip(Stream.runDrain(walked)))._tag, "InvalidPath")
      }),
    ),
  )

  it.effect("follows links that stay inside, and reports links as links when walking", () =>
    withRoot((root) =>
      Effect.gen(function* () {
        const files = yield* SessionFiles
        yield* files.write("real/f", bytes("x"))
        yield* Effect.promise(() => fs.symlink("real", join(root, "link")))
        assert.strictEqual(yield* text(files.read("link/f")), "x")
        const walked = yield* Stream.runCollect(files.walk(""))
        assert.deepStrictEqual(
          walked.map(({ kind, path, linkTarget }) => [kind, path, linkTarget]),
          [
            ["symlink", "link", "real"],
            ["directory", "real", undefined],
            ["file", "real/f", undefined],
          ],
        )
      }),
    ),
  )

  it.effect("stays inside for any path", () =>
    withRoot((root, outside) =>
      Effect.gen(function* () {
        const files = yield* SessionFiles
        yield* Effect.promise(() => fs.symlink(outside, join(root, "out")))
        const part = fc.oneof(fc.constantFrom("..", ".", "", "out", "a", "/"), fc.string())
        yield* Effect.promise(() =>
          fc.assert(
            fc.asyncProperty(fc.array(part, { maxLength: 5 }), async (parts) => {
              await Effect.runPromise(Effect.ignore(files.write(parts.join("/"), bytes("x"))))
              assert.deepStrictEqual(await fs.readdir(outside), ["secret"])
              assert.deepStrictEqual((await fs.readdir(join(root, ".."))).sort(), [
                "outside",
                "root",
              ])
            }),
            { numRuns: 300 },
          ),
        )
      }),
    ),
  )
})
