import { spawn } from "node:child_process"
import * as fs from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  giveBack,
  SessionFiles,
  sessionFilesDirectory,
  sessionFilesMemory,
  sessionFilesMemoryWith,
} from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Result, Stream } from "effect"
import * as fc from "fast-check"
import { directoryLayer } from "../src/session-files/directory.ts"
import { hasDescriptors } from "../src/session-files/folder.ts"

const bytes = (text: string) => Stream.succeed(new TextEncoder().encode(text))
const text = (stream: Stream.Stream<Uint8Array, unknown>) =>
  Effect.map(Stream.runCollect(stream), (chunks) => Buffer.concat(chunks).toString())

const temporary = Effect.acquireRelease(
  Effect.promise(() => fs.mkdtemp(join(tmpdir(), "cordon-files-"))),
  (path) => Effect.promise(() => fs.rm(path, { recursive: true })),
)

const inDirectory = (descriptors: boolean) =>
  Layer.unwrap(
    Effect.map(temporary, (path) => Layer.orDie(directoryLayer(join(path, "new"), descriptors))),
  )

describe.each([
  ["memory", sessionFilesMemory],
  ["directory", inDirectory(hasDescriptors)],
  ["directory, as on hosts without descriptors", inDirectory(false)],
])("SessionFiles in %s", (_, layer) => {
  it.effect("writes, reads, and walks parents before children", () =>
    Effect.gen(function* () {
      const files = yield* SessionFiles
      yield* files.write("a/b/c.txt", bytes("hello"), 0o755)
      yield* files.write("a/b.txt", Stream.make(new Uint8Array([1]), new Uint8Array([2, 3])))
      yield* files.makeDirectory("a/empty")
      assert.strictEqual(yield* text(files.read("a/b/c.txt")), "hello")
      const { modifiedAt, ...stat } = yield* files.stat("a/b/c.txt")
      assert.deepStrictEqual(stat, { kind: "file", size: 5, mode: 0o755 })
      assert.instanceOf(modifiedAt, Date)
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

  it.effect("refuses a path that is missing, not a file, or outside", () =>
    Effect.gen(function* () {
      const files = yield* SessionFiles
      yield* files.write("d/f", bytes("x"))
      const tag = <A, E extends { readonly _tag: string }>(effect: Effect.Effect<A, E>) =>
        Effect.map(Effect.flip(effect), (error) => error._tag)
      assert.strictEqual(yield* tag(files.stat("no")), "FileNotFound")
      assert.strictEqual(yield* tag(Stream.runDrain(files.read("no"))), "FileNotFound")
      assert.strictEqual(yield* tag(Stream.runDrain(files.read("d"))), "NotAFile")
      assert.strictEqual(yield* tag(Stream.runDrain(files.walk("d/f"))), "NotADirectory")
      assert.strictEqual(yield* tag(files.write("d", bytes("x"))), "NotAFile")
      assert.strictEqual(yield* tag(files.write("d/f/g", bytes("x"))), "NotADirectory")
      for (const path of ["../x", "/x", "a/../../x", "", "a\0b"]) {
        assert.strictEqual(yield* tag(files.write(path, bytes("x"))), "InvalidPath")
      }
    }).pipe(Effect.provide(layer)),
  )

  it.effect("keeps the old file when the new content fails", () =>
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

describe("SessionFiles in a limited memory", () => {
  const endless = (size: number) => Stream.fromEffectRepeat(Effect.sync(() => new Uint8Array(size)))

  it.effect("accepts no more than its limit, counted while content arrives", () =>
    Effect.gen(function* () {
      const files = yield* SessionFiles
      for (const path of ["a", "b"]) {
        const error = yield* Effect.flip(files.write(path, endless(1000)))
        assert.strictEqual(error._tag, "StorageFailed")
        assert.match(error.message, /may take 14 KiB.*sessionFilesDirectory/)
      }
      assert.isEmpty(yield* Stream.runCollect(files.walk("")))
      // What failed, and what was replaced, takes no room.
      for (let n = 0; n < 100; n++) yield* files.write("a", Stream.succeed(new Uint8Array(4000)))
      yield* files.write("b", Stream.succeed(new Uint8Array(4000)))
      assert.strictEqual(
        (yield* Effect.flip(files.write("c", Stream.succeed(new Uint8Array(8000)))))._tag,
        "StorageFailed",
      )
      assert.strictEqual((yield* files.stat("b")).size, 4000)
    }).pipe(Effect.provide(sessionFilesMemoryWith({ limit: 14 * 1024 }))),
  )

  it.effect("counts concurrent writes together, and names and folders too", () =>
    Effect.gen(function* () {
      const files = yield* SessionFiles
      const ended = yield* Effect.all(
        Array.from({ length: 8 }, (_, n) => Effect.result(files.write(`f${n}`, endless(100)))),
        { concurrency: "unbounded" },
      )
      for (const result of ended) {
        assert(Result.isFailure(result))
        assert.strictEqual(result.failure._tag, "StorageFailed")
      }
      let made = 0
      const folders = Effect.gen(function* () {
        for (;;) {
          yield* files.makeDirectory(`folder-${made}`)
          made += 1
        }
      })
      assert.strictEqual((yield* Effect.flip(folders))._tag, "StorageFailed")
      assert.isBelow(made, 40)
    }).pipe(Effect.provide(sessionFilesMemoryWith({ limit: 10 * 1024 }))),
  )

  it.effect("is refused with an invalid limit", () =>
    Effect.gen(function* () {
      for (const limit of [0, -1, 1.5, Number.NaN]) {
        const error = yield* Effect.flip(Layer.build(sessionFilesMemoryWith({ limit })))
        assert.strictEqual(error._tag, "InvalidInput")
      }
    }).pipe(Effect.scoped),
  )
})

/** Another process, which swaps a folder for a link to elsewhere and back, as fast as it can. */
const swapping = (folder: string, link: string) =>
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<{ readonly kill: () => void }>((resolve, reject) => {
          const script = `
const { renameSync, rmSync, symlinkSync, unlinkSync } = require("node:fs")
const [folder, link] = process.argv.slice(1)
process.stdout.write("swapping")
const pause = () => {
  for (const end = performance.now() + Math.random() / 4; performance.now() < end; );
}
// Whoever writes meanwhile may make the folder anew.
const force = (act) => {
  for (;;) {
    try {
      return act()
    } catch {
      rmSync(folder, { recursive: true, force: true })
    }
  }
}
for (;;) {
  renameSync(folder, folder + ".real")
  force(() => symlinkSync(link, folder))
  pause()
  unlinkSync(folder)
  force(() => renameSync(folder + ".real", folder))
  pause()
}`
          const child = spawn(process.execPath, ["-e", script, folder, link])
          child.once("error", reject)
          child.stdout.once("data", () => resolve({ kill: () => child.kill("SIGKILL") }))
        }),
    ),
    (child) => Effect.sync(() => child.kill()),
  )

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

  it.effect("neither reads nor writes through links that lead outside", () =>
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

  it.effect.each([hasDescriptors, false])(
    "writes a batch of small files as it would each one (descriptors: %s)",
    (descriptors) =>
      Effect.gen(function* () {
        const base = yield* temporary
        const at = (path: string) => join(base, "root", path)
        const outside = join(base, "outside")
        yield* Effect.promise(async () => {
          await fs.mkdir(at("folder"), { recursive: true })
          await fs.writeFile(outside, "theirs")
          await fs.symlink(outside, at("link"))
          await fs.symlink(base, at("out"))
          await fs.writeFile(at("old"), "old", { mode: 0o600 })
        })
        yield* Effect.gen(function* () {
          const { writeAll = () => Effect.die("absent") } = yield* SessionFiles
          const file = (path: string, content = path) => ({
            path,
            content: Buffer.from(content),
            mode: 0o750,
            modifiedAt: new Date(1_000_000_000_123),
          })
          const written = ["link", "old", "new/a", "new/b/c", "new/empty"]
          yield* writeAll(written.map((path) => file(path, path === "new/empty" ? "" : path)))
          for (const path of written) {
            const content = yield* Effect.promise(() => fs.readFile(at(path), "utf8"))
            assert.strictEqual(content, path === "new/empty" ? "" : path)
            const stat = yield* Effect.promise(() => fs.lstat(at(path)))
            assert.deepStrictEqual(
              [stat.isFile(), stat.mode & 0o7777, stat.mtime.getTime()],
              [true, 0o750, 1_000_000_000_123],
            )
          }
          assert.strictEqual(yield* Effect.promise(() => fs.readFile(outside, "utf8")), "theirs")
          for (const [path, tag] of [
            ["folder", "NotAFile"],
            ["", "InvalidPath"],
            ["old/below", "NotADirectory"],
            ["out/new", "InvalidPath"],
            ["../new", "InvalidPath"],
          ] as const) {
            const error = yield* Effect.flip(writeAll([file("before"), file(path), file("after")]))
            assert.strictEqual(error._tag, tag, path)
          }
          const names = yield* Effect.promise(() => fs.readdir(at(".")))
          assert.isEmpty(names.filter((name) => name.endsWith(".part")))
          assert.deepStrictEqual(yield* Effect.promise(() => fs.readdir(base)), ["outside", "root"])
        }).pipe(Effect.provide(directoryLayer(join(base, "root"), descriptors)))
      }).pipe(Effect.scoped),
  )

  it.live.skipIf(!hasDescriptors)(
    "never reads or writes outside while another process swaps a folder for a link",
    () =>
      withRoot((root, outside) =>
        Effect.gen(function* () {
          const files = yield* SessionFiles
          yield* files.write("race/mine", bytes("mine"))
          yield* Effect.promise(() => fs.writeFile(join(outside, "mine"), "theirs"))
          yield* swapping(join(root, "race"), outside)
          const read = { mine: 0, refused: 0 }
          // As long as it takes to have met both: the other process may be slow on a busy machine.
          const more = (n: number) =>
            n < 1000 || (n < 50_000 && !(read.mine > 0 && read.refused > 0))
          for (let n = 0; more(n); n++) {
            yield* Effect.ignore(files.write(`race/f${n}`, bytes("x"), 0o644, new Date(0)))
            yield* Effect.ignore(files.makeDirectory(`race/d${n}`, new Date(0)))
            yield* Effect.ignore(
              files.writeAll?.([{ path: `race/s${n}`, content: Buffer.from("x"), mode: 0o644 }]) ??
                Effect.void,
            )
            const found = yield* Effect.option(text(files.read("race/mine")))
            assert.notStrictEqual(found._tag === "Some" && found.value, "theirs")
            read[found._tag === "Some" ? "mine" : "refused"] += 1
            if (n % 100 > 0) continue
            const walked = yield* Effect.option(
              Stream.runCollect(files.walk("", { contents: 100 })),
            )
            for (const { content } of walked._tag === "Some" ? walked.value : []) {
              const seen = Buffer.from(content ?? []).toString()
              assert.isFalse(["theirs", "secret"].includes(seen), seen)
            }
          }
          assert.isAbove(read.mine, 0)
          assert.isAbove(read.refused, 0)
          const names = yield* Effect.promise(() => fs.readdir(outside))
          assert.deepStrictEqual(names.sort(), ["mine", "secret"])
        }).pipe(Effect.scoped),
      ),
  )

  it.effect("reads into released memory, and into no other", () =>
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

  it.effect("walks without content from behind a folder that became a link", () =>
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

  it.effect("stays inside its directory for any path", () =>
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
