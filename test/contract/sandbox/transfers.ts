import * as fs from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import {
  type Sandbox,
  SessionFiles,
  sessionFilesDirectory,
  sessionFilesMemory,
  sessionFilesMemoryWith,
} from "@cordon/core"
import { assert, describe } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { makeSandbox } from "../../support/sandbox.ts"
import type { FeatureStage } from "./stage.ts"

const temporary = Effect.acquireRelease(
  Effect.promise(() => fs.mkdtemp(join(tmpdir(), "cordon-transfers-"))),
  (path) => Effect.promise(() => fs.rm(path, { recursive: true })),
)

/** Files between session storage and a sandbox, on every driver. */
export const transfersContract = ({ check }: FeatureStage) => {
  const whole = new Date("2001-02-03T04:05:06.000Z")
  const between = new Date("2001-02-03T04:05:06.789Z")

  const timeIn = (sandbox: Sandbox, path: string) =>
    Effect.map(sandbox.files.stat(path), ({ modifiedAt }) => modifiedAt?.getTime() ?? 0)

  /** As the source; a tar or touch that knows whole seconds only makes it newer, never older. */
  const isAs = (time: number, source: Date, what: string) => {
    assert.isAtLeast(time, source.getTime(), what)
    assert.isAtMost(time, Math.ceil(source.getTime() / 1000) * 1000, what)
  }

  describe("transfers", () => {
    check("upload and download keep the times of files and folders", () =>
      Effect.gen(function* () {
        const sandbox = yield* makeSandbox()
        const root = yield* temporary
        yield* Effect.promise(async () => {
          await fs.mkdir(join(root, "project/sub"), { recursive: true })
          for (const [name, time] of [
            ["whole", whole],
            ["between", between],
          ] as const) {
            await fs.writeFile(join(root, "project", name), "x")
            await fs.utimes(join(root, "project", name), time, time)
          }
          await fs.utimes(join(root, "project/sub"), whole, whole)
        })
        yield* Effect.gen(function* () {
          yield* sandbox.files.upload("project", "project")
          yield* sandbox.files.upload("project/between", "single")
          yield* sandbox.files.upload("project/whole", "exact")
          isAs(yield* timeIn(sandbox, "project/whole"), whole, "whole")
          isAs(yield* timeIn(sandbox, "project/between"), between, "between")
          isAs(yield* timeIn(sandbox, "project/sub"), whole, "sub")
          isAs(yield* timeIn(sandbox, "single"), between, "single")
          isAs(yield* timeIn(sandbox, "exact"), whole, "exact")
          yield* sandbox.files.download("project", "back")
          yield* sandbox.files.download("exact", "back/exact")
          for (const path of ["back/whole", "back/sub", "back/exact"]) {
            const { mtimeMs } = yield* Effect.promise(() => fs.stat(join(root, path)))
            assert.strictEqual(mtimeMs, whole.getTime(), path)
          }
        }).pipe(Effect.provide(sessionFilesDirectory(root)))
      }),
    )

    check("upload makes a changed file newer than what was built of it", () =>
      Effect.gen(function* () {
        const sandbox = yield* makeSandbox()
        const files = yield* SessionFiles
        const before = Date.now()
        const write = (price: string) =>
          files.write("project/price", Stream.succeed(new TextEncoder().encode(price)))
        yield* write("10")
        yield* sandbox.files.upload("project", "project")
        assert.isAtLeast(yield* timeIn(sandbox, "project/price"), before)
        yield* sandbox.run("cp project/price built && touch -d '2001-09-09 01:46:40' project/price")
        yield* write("99")
        yield* sandbox.files.upload("project", "project")
        yield* sandbox.run("touch -d '2001-09-09 01:46:40' built; [ project/price -nt built ]")
        yield* sandbox.files.upload("project/price", "price")
        assert.isAtLeast(yield* timeIn(sandbox, "price"), before)
      }).pipe(Effect.provide(sessionFilesMemory)),
    )

    check("download brings each name of a file that has several", () =>
      Effect.gen(function* () {
        const sandbox = yield* makeSandbox()
        const files = yield* SessionFiles
        yield* sandbox.files.write("out/large", new Uint8Array(100_000))
        yield* sandbox.run(
          "mkdir -p out/sub; echo data >out/report.txt; ln out/report.txt out/backup.txt; ln out/report.txt out/sub/third; ln out/large out/zero; ln -s report.txt out/link",
        )
        const report = yield* sandbox.files.download("out", "out")
        assert.deepStrictEqual(
          report.skipped.map(({ path }) => path.replace("./", "")),
          ["link"],
        )
        assert.strictEqual(report.files, 5)
        assert.strictEqual(report.bytes, 3 * 5 + 200_000)
        for (const name of ["report.txt", "backup.txt", "sub/third"]) {
          const pieces = yield* Stream.runCollect(files.read(`out/${name}`))
          assert.strictEqual(Buffer.concat(pieces).toString(), "data\n", name)
        }
        assert.strictEqual((yield* files.stat("out/zero")).size, 100_000)
      }).pipe(Effect.provide(sessionFilesMemory)),
    )

    check(
      "download ends when session files in memory are full, whatever size the sandbox tells",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox()
          const files = yield* SessionFiles
          yield* sandbox.files.write("big/file", new Uint8Array(3_000_000))
          for (const path of ["big/file", "big"]) {
            const error = yield* Effect.flip(sandbox.files.download(path, "to"))
            assert.strictEqual(error._tag, "StorageFailed")
            assert.match(error.message, /session files in memory may take 1 MiB/)
          }
          const found = yield* Stream.runCollect(files.walk(""))
          assert.isFalse(found.some(({ kind }) => kind === "file"))
        }).pipe(Effect.provide(sessionFilesMemoryWith({ limit: 1024 ** 2 }))),
    )
  })
}
