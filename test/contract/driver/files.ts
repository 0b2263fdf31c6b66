import { SandboxDriver } from "@cordon/core"
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import * as fc from "fast-check"
import { holdsForAll, tagOf } from "../../support/effects.ts"
import { at, bytesOf, type DriverStage, exec, out, read, readBytes, write } from "./stage.ts"

/** Single files, written and read. */
export const filesContract = ({ check, make, runs }: DriverStage) =>
  describe("files", () => {
    const names = [
      "/work/plain",
      "/work/with space",
      "/work/ünïcödé 日本",
      "/work/-dash",
      "/work/new\nline",
      "/work/quote'\"$x`y",
      "/work/a/b/c/deep",
      "/work/a/../dotdot",
      `/work/${"n".repeat(250)}`,
    ]
    check("a file is written and read whatever its name", () =>
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        const id = yield* make()
        for (const name of names) {
          yield* write(id, name, `in ${name}`)
          assert.strictEqual(yield* read(id, name), `in ${name}`)
          const { modifiedAt, ...stat } = yield* driver.stat(id, at(name))
          assert.instanceOf(modifiedAt, Date)
          assert.deepStrictEqual(stat, {
            kind: "file",
            size: Buffer.byteLength(`in ${name}`),
            mode: 0o644,
          })
        }
        const listed = yield* out(id, "ls /work | wc -l")
        // The name with a newline counts twice.
        assert.strictEqual(listed.trim(), String(names.length + 1))
      }),
    )

    check("a file holds any bytes at any length", () =>
      Effect.gen(function* () {
        const id = yield* make()
        yield* holdsForAll(fc.uint8Array({ maxLength: 5000 }), runs, (bytes) =>
          Effect.gen(function* () {
            yield* write(id, "/work/x", bytes)
            const back = yield* readBytes(id, "/work/x")
            assert.deepStrictEqual([...back], [...bytes])
          }),
        )
        const large = Buffer.alloc(5 * 1024 * 1024 + 13, "The quick brown fox\0\xff")
        yield* write(id, "/work/large", large)
        assert.isTrue(large.equals(yield* readBytes(id, "/work/large")))
        assert.strictEqual((yield* out(id, "wc -c < large")).trim(), String(large.length))
        yield* write(id, "/work/empty", "")
        assert.strictEqual(yield* read(id, "/work/empty"), "")
      }),
    )

    check("a part of a file is read by offset and length", () =>
      Effect.gen(function* () {
        const id = yield* make()
        yield* write(id, "/work/f", "0123456789")
        assert.strictEqual(yield* read(id, "/work/f", { offset: 3 }), "3456789")
        assert.strictEqual(yield* read(id, "/work/f", { length: 4 }), "0123")
        assert.strictEqual(yield* read(id, "/work/f", { offset: 8, length: 10 }), "89")
        assert.strictEqual(yield* read(id, "/work/f", { offset: 20 }), "")
        assert.strictEqual(yield* read(id, "/work/f", { length: 0 }), "")
      }),
    )

    check("reading a file does not run it", () =>
      Effect.gen(function* () {
        const id = yield* make()
        const line = "echo ran >> /work/ran; exit 0\n"
        // Larger than any pipe: who reads its beginning leaves the rest of it unread.
        yield* write(id, "/work/f", line.repeat(20_000))
        for (const offset of [0, 10 * line.length, 300_000]) {
          assert.strictEqual(
            yield* read(id, "/work/f", { offset, length: line.length }),
            line
              .repeat(2)
              .slice(offset % line.length)
              .slice(0, line.length),
          )
        }
        assert.strictEqual((yield* exec(id, "test ! -e /work/ran")).exitCode, 0)
      }),
    )

    check("overwriting keeps the mode of a file, and writing follows links", () =>
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        const id = yield* make()
        yield* write(id, "/work/run.sh", "echo one", 0o755)
        yield* write(id, "/work/run.sh", "echo two")
        assert.strictEqual((yield* driver.stat(id, at("/work/run.sh"))).mode, 0o755)
        yield* exec(
          id,
          "mkdir other; echo target > other/real; ln -s other/real link; ln -s /work/other dir",
        )
        yield* write(id, "/work/link", "through")
        assert.strictEqual(yield* read(id, "/work/other/real"), "through")
        yield* write(id, "/work/dir/new", "in")
        assert.strictEqual(yield* read(id, "/work/other/new"), "in")
        assert.strictEqual(yield* out(id, "readlink link"), "other/real\n")
        yield* exec(id, "ln -s missing dangling")
        yield* write(id, "/work/dangling", "made")
        assert.strictEqual(yield* read(id, "/work/missing"), "made")
      }),
    )

    check("the API and scripts see each other's contents and modes", () =>
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        const id = yield* make()
        yield* exec(id, "printf 'one\\n' > f; chmod 640 f; printf 'two\\n' >> f")
        assert.strictEqual(yield* read(id, "/work/f"), "one\ntwo\n")
        assert.strictEqual((yield* driver.stat(id, at("/work/f"))).mode, 0o640)
        yield* write(id, "/work/f", "three\n", 0o600)
        assert.strictEqual(yield* out(id, "cat f; stat -c %a f"), "three\n600\n")
      }),
    )

    check("files written at the same time share parents that do not exist yet", () =>
      Effect.gen(function* () {
        const id = yield* make()
        const names = ["1", "2", "3", "4", "5", "6"]
        yield* Effect.forEach(names, (name) => write(id, `/work/a/b/${name}`, name), {
          concurrency: "unbounded",
        })
        assert.strictEqual(yield* out(id, "cat a/b/*"), "123456")
      }),
    )

    check("a file stays as it was when its new content breaks off", () =>
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        const id = yield* make()
        yield* write(id, "/work/f", "old")
        const half = Stream.succeed(bytesOf("new"))
        const broken = Stream.concat(half, Stream.fail({ _tag: "Broken" as const }))
        const target = at("/work/f")
        assert.strictEqual(yield* tagOf(driver.writeFile(id, target, { bytes: broken })), "Broken")
        assert.strictEqual(
          yield* tagOf(driver.writeFile(id, target, { bytes: broken, size: 10 })),
          "Broken",
        )
        for (const size of [2, 4]) {
          const wrong = driver.writeFile(id, target, { bytes: half, size })
          assert.strictEqual(yield* tagOf(wrong), "StorageFailed")
        }
        const endless = yield* Effect.forkChild(
          driver.writeFile(id, target, { bytes: Stream.concat(half, Stream.never) }),
        )
        yield* Effect.sleep("300 millis")
        yield* Fiber.interrupt(endless)
        assert.strictEqual(yield* read(id, "/work/f"), "old")
        assert.strictEqual(yield* out(id, "ls -A"), "f\n")
        yield* driver.writeFile(id, target, { bytes: half })
        assert.strictEqual(yield* read(id, "/work/f"), "new")
      }),
    )
  })
