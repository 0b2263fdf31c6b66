import { type ArchiveEntry, SandboxDriver, unpackArchive } from "@cordon/core"
import { assert, describe } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as fc from "fast-check"
import { holdsForAll, tagOf } from "../../support/effects.ts"
import {
  archiveOf,
  at,
  bytesOf,
  type DriverStage,
  exec,
  out,
  read,
  unpacked,
  write,
} from "./stage.ts"

/** Folders as tar archives, also hostile ones. */
export const archivesContract = ({ check, make, runs }: DriverStage) =>
  describe("archives", () => {
    check("files, folders and links travel both ways", () =>
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        const id = yield* make()
        const deep = `${"long-folder-name-".repeat(10)}/${"f".repeat(120)}`
        const archive = archiveOf(
          { path: "empty", kind: "directory", mode: 0o755, size: 0, content: Stream.empty },
          { path: "run.sh", text: "echo hi", mode: 0o755 },
          { path: "sub/ünï 日", text: "text" },
          { path: deep, text: "deep" },
          {
            path: "link",
            kind: "symlink",
            linkTarget: "run.sh",
            size: 0,
            content: Stream.empty,
          },
        )
        yield* driver.putArchive(id, at("/work/new/place"), archive)
        assert.strictEqual(yield* out(id, "sh new/place/run.sh"), "hi\n")
        assert.strictEqual(yield* out(id, "readlink new/place/link"), "run.sh\n")
        const found = yield* unpacked(id, "/work/new/place")
        assert.strictEqual(found.get("run.sh"), "file 755 echo hi")
        assert.strictEqual(found.get("sub/ünï 日"), "file 644 text")
        assert.strictEqual(found.get(deep), "file 644 deep")
        assert.match(found.get("link") ?? "", /^symlink \d+ run.sh$/)
        assert.match(found.get("empty") ?? "", /^directory 755/)
      }),
    )

    check("written files and archive entries keep their times", () =>
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        const id = yield* make()
        const modifiedAt = new Date("2001-02-03T04:05:06Z")
        const bytes = Stream.succeed(bytesOf("x"))
        yield* driver.writeFile(id, at("/work/sized"), { bytes, size: 1, modifiedAt })
        yield* driver.writeFile(id, at("/work/streamed"), { bytes, modifiedAt })
        yield* driver.putArchive(
          id,
          at("/work/in"),
          archiveOf(
            { path: "d", kind: "directory", mode: 0o755, modifiedAt },
            { path: "d/f", text: "x", modifiedAt },
          ),
        )
        for (const path of ["sized", "streamed", "in/d", "in/d/f"]) {
          const stat = yield* driver.stat(id, at(`/work/${path}`))
          assert.deepStrictEqual(stat.modifiedAt, modifiedAt, path)
        }
        yield* unpackArchive(driver.getArchive(id, at("/work/in")), (entry) =>
          Effect.sync(() => {
            if (/d/.test(entry.path)) assert.deepStrictEqual(entry.modifiedAt, modifiedAt)
          }),
        )
      }),
    )

    check("any names and contents travel both ways", () =>
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        const id = yield* make()
        const name = fc
          .string({ minLength: 1, maxLength: 30 })
          .filter((s) => !/[/\0]/.test(s) && s === Buffer.from(s).toString())
          .filter((s) => s.trim() !== "" && s !== "." && s !== "..")
        const folder = fc.dictionary(name, fc.string({ maxLength: 600 }), { maxKeys: 6 })
        let round = 0
        const roundTrip = Effect.fnUntraced(function* (files: Record<string, string>) {
          const path = `/work/round-${++round}`
          const entries = Object.entries(files).map(([path, text]) => ({ path, text }))
          yield* driver.putArchive(id, at(path), archiveOf(...entries))
          const found = yield* unpacked(id, path)
          const expected = entries.map(({ path, text }) => [
            path,
            `file 644 ${Buffer.from(text).toString()}`,
          ])
          assert.deepStrictEqual([...found].sort(), expected.sort())
        })
        yield* holdsForAll(folder, runs, roundTrip)
      }),
    )

    check("an entry replaces what has its name, and does not follow a link there", () =>
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        const id = yield* make()
        yield* exec(id, "mkdir in; echo victim > victim; ln -s ../victim in/f; echo old > in/g")
        const hardLink = { kind: "hardlink" as const, size: 0, content: Stream.empty }
        yield* driver.putArchive(
          id,
          at("/work/in"),
          archiveOf(
            { path: "f", text: "new", mode: 0o640 },
            { path: "g", text: "newer" },
            { path: "h", linkTarget: "g", ...hardLink },
          ),
        )
        assert.strictEqual(yield* read(id, "/work/victim"), "victim\n")
        const found = yield* unpacked(id, "/work/in")
        assert.strictEqual(found.get("f"), "file 640 new")
        assert.strictEqual(yield* read(id, "/work/in/g"), "newer")
        assert.strictEqual(yield* read(id, "/work/in/h"), "newer")
        const outside = archiveOf({ path: "i", linkTarget: "../victim", ...hardLink })
        yield* Effect.result(driver.putArchive(id, at("/work/in"), outside))
        assert.strictEqual(yield* tagOf(read(id, "/work/in/i")), "FileNotFound")
      }),
    )

    check("a hostile archive writes nothing outside its folder", () =>
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        const id = yield* make()
        yield* write(id, "/work/victim", "untouched")
        const link = (linkTarget: string): Partial<ArchiveEntry> => ({
          kind: "symlink",
          linkTarget,
          size: 0,
          content: Stream.empty,
        })
        for (const archive of [
          archiveOf({ path: "../victim", text: "pwned" }),
          archiveOf({ path: "/work/victim", text: "pwned" }),
          archiveOf({ path: "up", ...link("..") }, { path: "up/victim", text: "pwned" }),
        ]) {
          // Refused, or unpacked somewhere inside, as the driver's tar has it.
          yield* Effect.result(driver.putArchive(id, at("/work/in"), archive))
          assert.strictEqual(yield* read(id, "/work/victim"), "untouched")
        }
      }),
    )

    check("a broken archive is refused, and so is a folder that is missing or a file", () =>
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        const id = yield* make()
        yield* write(id, "/work/file", "x")
        const whole = Buffer.concat(
          yield* Stream.runCollect(archiveOf({ path: "big", text: "x".repeat(100_000) })),
        )
        const put = (archive: Stream.Stream<Uint8Array, { _tag: "Broken" }>, path = "/work/in") =>
          tagOf(driver.putArchive(id, at(path), archive))
        assert.strictEqual(yield* put(Stream.succeed(whole.subarray(0, 50_000))), "InvalidArchive")
        assert.strictEqual(yield* put(Stream.succeed(Buffer.alloc(2048, 65))), "InvalidArchive")
        const cut = Stream.concat(
          Stream.succeed(whole.subarray(0, 600)),
          Stream.fail({ _tag: "Broken" as const }),
        )
        assert.strictEqual(yield* put(cut), "Broken")
        assert.strictEqual(yield* put(Stream.succeed(whole), "/work/file"), "NotADirectory")
        const get = (path: string) => tagOf(Stream.runDrain(driver.getArchive(id, at(path))))
        assert.strictEqual(yield* get("/work/none"), "FileNotFound")
        assert.strictEqual(yield* get("/work/file"), "NotADirectory")
      }),
    )
  })
