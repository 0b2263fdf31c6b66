import { createHash } from "node:crypto"
import * as fs from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { SessionFiles, sessionFilesDirectory } from "@cordon/core"
import { assert, describe } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { onEngine, textOf, withSession } from "./support.ts"

const temporary = Effect.acquireRelease(
  Effect.promise(() => fs.mkdtemp(join(tmpdir(), "cordon-transfer-"))),
  (path) => Effect.promise(() => fs.rm(path, { recursive: true })),
)

const resident = () => process.memoryUsage.rss()

/** Watches this process's resident memory, in bytes above where it stood, until the effect ends. */
const peakOf = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  const before = resident()
  let peak = 0
  const watch = setInterval(() => {
    peak = Math.max(peak, resident() - before)
  }, 50)
  yield* Effect.ensuring(
    effect,
    Effect.sync(() => clearInterval(watch)),
  )
  return Math.max(peak, resident() - before)
})

const gibibyte = 1024 ** 3
const bound = 150 * 1024 ** 2

describe("transfers on a real engine", () => {
  onEngine(
    "carry 1 GiB each way, byte-identical, in bounded memory",
    () =>
      Effect.scoped(
        Effect.gen(function* () {
          const root = yield* temporary
          // Pseudo-random, so that no layer can shorten it: a 1 MiB block, each copy numbered.
          const hash = createHash("sha256")
          const block = Buffer.alloc(1024 * 1024)
          for (let at = 0; at < block.length; at += 32) {
            createHash("sha256").update(String(at)).digest().copy(block, at)
          }
          const handle = yield* Effect.promise(() => fs.open(join(root, "big"), "w"))
          for (let n = 0; n < 1024; n++) {
            block.writeUInt32LE(n, 0)
            hash.update(block)
            yield* Effect.promise(() => handle.write(block))
          }
          yield* Effect.promise(() => handle.close())
          const expected = hash.digest("hex")
          yield* withSession((session) =>
            Effect.gen(function* () {
              const sandbox = yield* session.create()
              const up = yield* peakOf(sandbox.files.upload("big", "/var/tmp/big"))
              assert.strictEqual(
                (yield* textOf(sandbox, "sha256sum < /var/tmp/big")).split(" ")[0],
                expected,
              )
              const down = yield* peakOf(sandbox.files.download("/var/tmp/big", "back"))
              const back = createHash("sha256")
              const files = yield* SessionFiles
              yield* Stream.runForEach(files.read("back"), (chunk) =>
                Effect.sync(() => back.update(chunk)),
              )
              assert.strictEqual(back.digest("hex"), expected)
              assert.strictEqual((yield* files.stat("back")).size, gibibyte)
              assert.isBelow(up, bound)
              assert.isBelow(down, bound)
              // And as a folder, which goes through an archive.
              yield* sandbox.run("mkdir /var/tmp/folder && mv /var/tmp/big /var/tmp/folder/")
              const folder = yield* peakOf(sandbox.files.download("/var/tmp/folder", "folder"))
              assert.strictEqual((yield* files.stat("folder/big")).size, gibibyte)
              assert.isBelow(folder, bound)
            }).pipe(Effect.provide(sessionFilesDirectory(root))),
          )
        }),
      ),
    300_000,
  )

  onEngine("run no program of the sandbox", () =>
    withSession((session) =>
      Effect.gen(function* () {
        const sandbox = yield* session.create({ workdir: "/work" })
        const liars = "for name in sh tar cat find head; do cp /tmp/liar $(command -v $name); done"
        yield* sandbox.files.write("out/fine", "fine")
        yield* sandbox.files.write("/tmp/liar", "#!/bin/bash\ntouch /tmp/ran\n", { mode: 0o755 })
        yield* sandbox.exec(["bash", "-c", liars])
        const report = yield* sandbox.files.download("out", "down")
        assert.deepStrictEqual(report.skipped, [])
        yield* sandbox.files.upload("down", "back")
        assert.strictEqual(yield* sandbox.files.readText("back/fine"), "fine")
        assert.isFalse(yield* sandbox.files.exists("/tmp/ran"))
      }),
    ),
  )

  onEngine("end when a sandbox sends more than the limit", () =>
    withSession(
      (session) =>
        Effect.gen(function* () {
          const sandbox = yield* session.create()
          yield* sandbox.run("mkdir out && head -c 3000000 /dev/zero > out/zeros")
          for (const path of ["out", "out/zeros"]) {
            const error = yield* Effect.flip(sandbox.files.download(path, "down"))
            assert.strictEqual(error._tag, "FileTooLarge")
          }
          const files = yield* SessionFiles
          const walked = yield* Stream.runCollect(files.walk(""))
          assert.isFalse(walked.some(({ kind }) => kind === "file"))
        }),
      { transferLimit: 1_000_000 },
    ),
  )
})
