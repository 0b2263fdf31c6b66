import { SandboxDriver } from "@cordon/core"
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { tagOf } from "../../support/effects.ts"
import { at, type DriverStage, exec, read, write } from "./stage.ts"

/** Where a path leads, and what is in its way. */
export const pathsContract = ({ check, make, lacks }: DriverStage) =>
  describe("paths", () => {
    check("`..` behind a link is the parent of its target, and no path leads out", () =>
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        const id = yield* make()
        yield* exec(id, "mkdir -p far/away; ln -s far/away near; ln -s /etc/passwd users")
        // Behind a link, `..` is the parent of where the link leads.
        yield* write(id, "/work/near/../beside", "physical")
        assert.strictEqual(yield* read(id, "/work/far/beside"), "physical")
        assert.strictEqual(yield* read(id, "//work/./far//beside"), "physical")
        assert.strictEqual(yield* tagOf(read(id, "/work/beside")), "FileNotFound")
        const climbed = yield* read(id, `/work${"/..".repeat(50)}/etc/passwd`)
        assert.match(climbed, /^root:/)
        assert.strictEqual(yield* read(id, "/work/users"), climbed)
        assert.strictEqual((yield* driver.stat(id, at("/work/users"))).kind, "file")
        assert.strictEqual((yield* driver.stat(id, at("/"))).kind, "directory")
        assert.strictEqual(yield* tagOf(write(id, "/work/far/", "x")), "NotAFile")
      }),
    )

    check("what is in the way of a path is told by an error of its own", () =>
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        const id = yield* make()
        yield* write(id, "/work/file", "x")
        yield* exec(id, "mkdir folder; ln -s loop loop")
        assert.strictEqual(yield* tagOf(read(id, "/work/none")), "FileNotFound")
        assert.strictEqual(yield* tagOf(driver.stat(id, at("/work/none"))), "FileNotFound")
        assert.strictEqual(yield* tagOf(read(id, "/work/folder")), "NotAFile")
        assert.strictEqual(yield* tagOf(write(id, "/work/folder", "x")), "NotAFile")
        assert.strictEqual(yield* tagOf(read(id, "/work/file/below")), "NotADirectory")
        assert.strictEqual(yield* tagOf(write(id, "/work/file/below", "x")), "NotADirectory")
        assert.strictEqual(yield* tagOf(read(id, "/work/loop")), "InvalidPath")
        assert.strictEqual(yield* tagOf(write(id, "/work/loop", "x")), "InvalidPath")
        assert.strictEqual((yield* driver.stat(id, at("/work/folder"))).kind, "directory")
        assert.strictEqual(yield* read(id, "/work/file"), "x")
      }),
    )

    check(
      "reading or writing a FIFO or a device is refused at once",
      () =>
        Effect.gen(function* () {
          const id = yield* make()
          yield* exec(id, "mkfifo pipe")
          assert.strictEqual(yield* tagOf(read(id, "/work/pipe")), "NotAFile")
          assert.strictEqual(yield* tagOf(write(id, "/work/pipe", "x")), "NotAFile")
          assert.strictEqual(yield* tagOf(read(id, "/dev/zero")), "NotAFile")
        }),
      lacks.specialFiles,
    )
  })
