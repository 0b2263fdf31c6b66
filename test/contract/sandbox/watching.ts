import type { FileEvent, Sandbox } from "@cordon/core"
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { tagOf, until } from "../../support/effects.ts"
import { makeSandbox, running } from "../../support/sandbox.ts"
import type { FeatureStage } from "./stage.ts"

/** What a watch tells, gathered as it comes, in signs. */
const signs = { Created: "+", Changed: "*", Removed: "-" } as const
const watching = (
  sandbox: Sandbox,
  path?: string,
  options: Parameters<Sandbox["files"]["watch"]>[1] = {},
) =>
  Effect.gen(function* () {
    const seen: Array<string> = []
    const told = (event: FileEvent) =>
      event._tag === "Ready" ? "Ready" : `${signs[event._tag]} ${event.entry.path}`
    const fiber = yield* sandbox.files.watch(path, { interval: 100, ...options }).pipe(
      Stream.runForEach((event) => Effect.sync(() => void seen.push(told(event)))),
      Effect.forkScoped,
    )
    const sees = (...events: ReadonlyArray<string>) =>
      // One that fails must not be waited for.
      Effect.raceFirst(
        until(Effect.sync(() => events.every((event) => seen.includes(event)))),
        Effect.andThen(Fiber.join(fiber), Effect.never),
      )
    yield* sees("Ready")
    return { seen, sees, fiber, forget: () => void seen.splice(0) }
  })

/** Watching a folder. */
export const watchingContract = ({ check, lacks }: FeatureStage) =>
  describe("watching", () => {
    check("watch tells what is created, changed and removed after its first look", () =>
      Effect.gen(function* () {
        const sandbox = yield* makeSandbox()
        const { files } = sandbox
        yield* files.write("before/deep", "there already")
        yield* files.write("sub/gone", "")
        const flat = yield* watching(sandbox)
        const deep = yield* watching(sandbox, "/work/", { recursive: true })
        yield* files.write("new", "1")
        yield* flat.sees("+ /work/new")
        yield* deep.sees("+ /work/new")
        yield* files.write("new", "12")
        yield* flat.sees("* /work/new")
        yield* deep.sees("* /work/new")
        deep.forget()
        yield* files.move("sub/gone", "sub/come")
        yield* deep.sees("- /work/sub/gone", "+ /work/sub/come")
        yield* sandbox.run("chmod 700 sub/come")
        yield* deep.sees("* /work/sub/come")
        // Leaves go before what they were in, and come after it.
        deep.forget()
        yield* files.remove("sub", { recursive: true })
        yield* deep.sees("- /work/sub")
        assert.deepStrictEqual(deep.seen.slice(-1), ["- /work/sub"])
        // What is a folder now is another one than the file it was.
        yield* sandbox.run("rm new; mkdir new; echo >new/in")
        yield* deep.sees("- /work/new", "+ /work/new", "+ /work/new/in")
        assert.isEmpty(flat.seen.filter((event) => event.includes("deep")))
        assert.isEmpty(deep.seen.filter((event) => event.includes("before")))
      }),
    )

    check("watch knows names of every kind, and leaves out what is excluded", () =>
      Effect.gen(function* () {
        const sandbox = yield* makeSandbox()
        const { files } = sandbox
        const { seen, sees } = yield* watching(sandbox, ".", {
          recursive: true,
          exclude: ["skipped", "*.log"],
        })
        const odd = [
          "with space",
          "-dash",
          "new\nline",
          "a//b 1 644 1 file",
          "quote'\"$x`y",
          "ünï 日",
        ]
        yield* files.write("skipped/x", "")
        yield* files.write("a.log", "")
        for (const name of odd) yield* files.write(`sub/${name}`, "")
        yield* sees(...odd.map((name) => `+ /work/sub/${name.replace("//", "/")}`))
        yield* files.remove("sub", { recursive: true })
        yield* sees("- /work/sub")
        yield* files.makeDirectory(".git/refs")
        yield* sees("+ /work/.git/refs")
        assert.isEmpty(seen.filter((event) => /skipped|log/.test(event)))
      }),
    )

    check("watch goes on while its folder is away, and ends with its sandbox", () =>
      Effect.gen(function* () {
        const sandbox = yield* makeSandbox()
        const { files } = sandbox
        yield* files.write("out/a", "")
        const { sees, fiber } = yield* watching(sandbox, "out")
        yield* files.remove("out", { recursive: true })
        yield* sees("- /work/out/a")
        yield* files.write("out/b", "")
        yield* sees("+ /work/out/b")
        yield* sandbox.stop
        yield* Fiber.join(fiber)
        const refused = Stream.runDrain(files.watch("out"))
        assert.strictEqual(yield* tagOf(refused), "SandboxNotRunning")
        yield* sandbox.start
        const again = yield* watching(sandbox, "out")
        yield* sandbox.remove
        yield* Fiber.join(again.fiber)
      }),
    )

    check(
      "watch goes on after a pause",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox()
          const { sees } = yield* watching(sandbox)
          yield* sandbox.pause
          yield* sandbox.resume
          yield* sandbox.files.write("later", "")
          yield* sees("+ /work/later")
        }),
      lacks.pause,
    )

    check("watch is bounded in entries, and refuses a file or a missing folder", () =>
      Effect.gen(function* () {
        const sandbox = yield* makeSandbox()
        const { files } = sandbox
        for (const name of ["a", "b"]) yield* files.write(name, "")
        const fails = (path: string, options: Parameters<typeof files.watch>[1] = {}) =>
          tagOf(Stream.runDrain(files.watch(path, options)))
        assert.strictEqual(yield* fails(".", { limit: 1 }), "TooManyFiles")
        const { fiber } = yield* watching(sandbox, ".", { limit: 2 })
        yield* files.write("c", "")
        assert.strictEqual(yield* tagOf(Fiber.join(fiber)), "TooManyFiles")
        assert.strictEqual(yield* fails("none"), "FileNotFound")
        assert.strictEqual(yield* fails("a"), "NotADirectory")
        assert.strictEqual(yield* fails("x\0"), "InvalidPath")
        for (const options of [{ limit: 0 }, { interval: 99 }, { exclude: ["a\nb"] }]) {
          assert.strictEqual(yield* fails(".", options), "InvalidInput")
        }
      }),
    )

    check(
      "watch leaves no process behind",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox()
          // The driver may have a process wait for the next command, and makes it while one runs.
          const processes = Effect.andThen(sandbox.run("sleep 0.2"), running(sandbox, ""))
          const before = yield* processes
          const { fiber } = yield* watching(sandbox)
          assert.strictEqual(yield* processes, before + 1)
          yield* Fiber.interrupt(fiber)
          yield* until(Effect.map(processes, (count) => count === before))
        }),
      lacks.processes,
    )
  })
