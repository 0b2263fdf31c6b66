import { sessionFilesMemory } from "@cordon/core"
import { assert, describe } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { makeSandbox } from "../../support/sandbox.ts"
import type { FeatureStage } from "./stage.ts"

/** What paths mean, wherever one is given, on every driver. */
export const homeContract = ({ check, lacks }: FeatureStage) => {
  describe("the home folder", () => {
    check("~ is the home folder to each call that takes a path", () =>
      Effect.gen(function* () {
        const sandbox = yield* makeSandbox()
        const { files, run } = sandbox
        const home = (yield* run("echo ~")).stdout.trim()
        const here = yield* files.list(".")
        yield* files.write("~/notes.txt", "mine")
        assert.strictEqual((yield* run("cat ~/notes.txt")).stdout, "mine")
        assert.strictEqual(yield* files.resolve("~/notes.txt"), `${home}/notes.txt`)
        assert.strictEqual(yield* files.resolve("~"), home)
        assert.strictEqual(yield* files.readText("~//notes.txt"), "mine")
        assert.strictEqual((yield* files.stat("~/")).kind, "directory")
        assert.isTrue(yield* files.exists("~/notes.txt"))
        yield* files.makeDirectory("~/folder")
        yield* files.move("~/notes.txt", "~/folder/notes.txt")
        assert.deepStrictEqual(
          (yield* files.list("~/folder")).map(({ path }) => path),
          [`${home}/folder/notes.txt`],
        )
        const { matches } = yield* files.search("mine", { path: "~/folder" })
        assert.strictEqual(matches[0]?.path, `${home}/folder/notes.txt`)
        assert.strictEqual((yield* run("pwd", { cwd: "~/folder" })).stdout, `${home}/folder\n`)
        assert.strictEqual((yield* run("pwd", { cwd: "~" })).stdout, `${home}\n`)
        const events = yield* files
          .watch("~/folder", { interval: 100 })
          .pipe(Stream.take(1), Stream.runCollect)
        assert.isTrue(
          events[0]?._tag === "Ready" && events[0].entries[0]?.path === `${home}/folder/notes.txt`,
        )
        yield* files.download("~/folder", "out")
        yield* files.upload("out/notes.txt", "~/again")
        assert.strictEqual((yield* run("cat ~/again")).stdout, "mine")
        yield* files.remove("~/folder", { recursive: true })
        assert.isFalse(yield* files.exists(`${home}/folder`))
        assert.deepStrictEqual(yield* files.list("."), here)
      }).pipe(Effect.provide(sessionFilesMemory)),
    )

    check("only ~ and ~/ mean the home folder", () =>
      Effect.gen(function* () {
        const { files } = yield* makeSandbox()
        for (const name of ["~root", "~$report.docx", "./~", "a/~/b", "~~"]) {
          yield* files.write(name, name)
          assert.strictEqual(yield* files.readText(name), name)
        }
        const names = (yield* files.list(".")).map(({ name }) => name)
        assert.sameMembers(names, ["a", "~", "~$report.docx", "~root", "~~"])
      }),
    )

    check("HOME in the environment of a sandbox is its home folder", () =>
      Effect.gen(function* () {
        const sandbox = yield* makeSandbox({ env: { HOME: "/work/my home" } })
        yield* sandbox.files.write("~/file", "x")
        assert.strictEqual((yield* sandbox.run("cat ~/file")).stdout, "x")
        assert.strictEqual(yield* sandbox.files.resolve("~/file"), "/work/my home/file")
      }),
    )

    check(
      "~ is the home of the user that runs the command, and refused where there is none",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox()
          yield* sandbox.run(
            "echo 'ada:x:1234:1234::/home/ada:/bin/sh' >>/etc/passwd; mkdir -p /home/ada; chown 1234 /home/ada",
          )
          const { stdout } = yield* sandbox.run("pwd; echo ~", { user: "ada", cwd: "~" })
          assert.strictEqual(stdout, "/home/ada\n/home/ada\n")
          const unknown = yield* Effect.flip(sandbox.run("true", { user: "nobody-here", cwd: "~" }))
          assert.strictEqual(unknown._tag, "InvalidPath")
          const nowhere = yield* makeSandbox({ env: { HOME: "not/absolute" } })
          const error = yield* Effect.flip(nowhere.files.write("~/x", "x"))
          assert.strictEqual(error._tag, "InvalidPath")
        }),
      lacks.permissions,
    )

    check(
      "a background process can run in ~",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox()
          const process = yield* sandbox.processes.start("pwd", { cwd: "~" })
          assert.strictEqual(yield* process.wait, 0)
          const home = yield* sandbox.files.resolve("~")
          assert.strictEqual((yield* process.logs()).stdout, `${home}\n`)
        }),
      lacks.processes,
    )
  })
}
