import {
  type Feature,
  type Sandbox,
  type SandboxDriver,
  Sandboxes,
  type SandboxSession,
  type SettingsInput,
} from "@cordon/core"
import { assert, describe, layer as withLayer } from "@effect/vitest"
import { Effect, Layer, type Scope } from "effect"
import { skipped } from "../support/skipped.ts"

/** What the features are tested on, and where a driver may differ. */
export interface FeatureOptions {
  readonly layer: Layer.Layer<SandboxDriver, { readonly message: string }>
  readonly image: string
  /** Why none of it can run here; undefined where it can. */
  readonly unavailable?: string | undefined
  readonly settings?: SettingsInput
  /** What a driver may lack, with the reason that its skipped tests give. */
  readonly lacks?: {
    readonly permissions?: string
    readonly specialFiles?: string
    readonly linkRemoval?: string
  }
}

let counter = 0

/** What agents expect of a sandbox beyond commands and single files, on every driver. */
export const featureContract = (driverName: string, options: FeatureOptions) => {
  const { lacks = {} } = options
  const settings: SettingsInput = {
    image: options.image,
    network: "none",
    limits: { memory: "256MiB" },
    ...options.settings,
  }

  const freshSession = Effect.gen(function* () {
    const sandboxes = yield* Sandboxes
    return yield* sandboxes.session(`features-${process.pid}-${Date.now()}-${++counter}`)
  })

  /** A fresh sandbox in a session of its own, removed with the test. */
  const make = (create: Parameters<SandboxSession["create"]>[0] = {}) =>
    Effect.flatMap(freshSession, (session) =>
      Sandboxes.scoped(session, { workdir: "/work", ...create }),
    )

  const lacksFeature = (feature: Feature) =>
    Effect.gen(function* () {
      const { features } = yield* (yield* Sandboxes).capabilities
      return !features.includes(feature)
    })

  const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.map(Effect.flip(effect), (error) => error._tag)

  const out = (sandbox: Sandbox, command: string) =>
    Effect.map(sandbox.run(command), ({ stdout }) => stdout)

  describe(`Features: ${driverName}`, () => {
    const layer = Sandboxes.layer(settings).pipe(Layer.provide(options.layer))
    withLayer(layer, { excludeTestServices: true })((it) => {
      /** A test that says why it can't run, where it can't. */
      const check = (
        name: string,
        body: () => Effect.Effect<unknown, unknown, Sandboxes | Scope.Scope>,
        lack?: string,
      ) => {
        const reason = options.unavailable ?? lack
        if (reason !== undefined) return skipped(name, reason)
        it.effect(name, () => Effect.asVoid(Effect.scoped(body())))
      }

      describe("folders", () => {
        check("are listed with kinds, sizes, modes and times, whatever the names", () =>
          Effect.gen(function* () {
            const { files, ...sandbox } = yield* make()
            yield* files.write("plain.txt", "12345", { mode: 0o640 })
            const odd = ["with space", "-dash", "new\nline", "a:1:b", "quote'\"$x`y", "ünï 日"]
            for (const name of odd) yield* files.write(`sub/${name}`, "x")
            yield* out({ files, ...sandbox }, "ln -s plain.txt link; mkdir -p sub/deep/er")
            const top = yield* files.list()
            assert.deepStrictEqual(
              top.map(({ name, path, kind, size }) => [name, path, kind, size]),
              [
                ["link", "/work/link", "symlink", 0],
                ["plain.txt", "/work/plain.txt", "file", 5],
                ["sub", "/work/sub", "directory", 0],
              ],
            )
            assert.strictEqual(top[1]?.mode, 0o640)
            const age = Date.now() - (top[1]?.modifiedAt.getTime() ?? 0)
            assert.isBelow(Math.abs(age), 120_000)
            const below = yield* files.list("./sub/", { depth: 2 })
            assert.deepStrictEqual(
              below.map(({ path }) => path),
              [
                ...odd.map((name) => `/work/sub/${name}`),
                "/work/sub/deep",
                "/work/sub/deep/er",
              ].sort(),
            )
            assert.deepStrictEqual(yield* files.list("sub/deep/er"), [])
            assert.isTrue((yield* files.list("/")).some(({ path }) => path === "/work"))
          }),
        )

        check("are listed up to a bound, and refused by what is in the way", () =>
          Effect.gen(function* () {
            const { files } = yield* make()
            for (const name of ["a", "b", "c"]) yield* files.write(`d/${name}`, "")
            assert.lengthOf(yield* files.list("d", { limit: 3 }), 3)
            assert.strictEqual(yield* tagOf(files.list("d", { limit: 2 })), "TooManyFiles")
            assert.strictEqual(yield* tagOf(files.list("d/a")), "NotAFile")
            assert.strictEqual(yield* tagOf(files.list("none")), "FileNotFound")
            assert.strictEqual(yield* tagOf(files.list("d", { depth: 0 })), "InvalidInput")
            assert.strictEqual(yield* tagOf(files.list("x\0y")), "InvalidPath")
          }),
        )

        check("are made with their parents, any number of times", () =>
          Effect.gen(function* () {
            const { files } = yield* make()
            yield* files.makeDirectory("a/b c/-d")
            yield* files.makeDirectory("a/b c/-d/")
            assert.strictEqual((yield* files.stat("a/b c/-d")).kind, "directory")
            assert.isTrue(yield* files.exists("a"))
            assert.isFalse(yield* files.exists("b"))
            yield* files.write("file", "")
            assert.strictEqual(yield* tagOf(files.makeDirectory("file")), "NotAFile")
            assert.strictEqual(yield* tagOf(files.makeDirectory("file/below")), "NotAFile")
          }),
        )

        check("and files move, replacing files only", () =>
          Effect.gen(function* () {
            const { files } = yield* make()
            yield* files.write("from/-a b", "moved")
            yield* files.write("to/old", "replaced")
            yield* files.move("from/-a b", "to/old")
            assert.strictEqual(yield* files.readText("to/old"), "moved")
            assert.isFalse(yield* files.exists("from/-a b"))
            yield* files.move("to/", "new/parents/here")
            assert.strictEqual(yield* files.readText("new/parents/here/old"), "moved")
            // Never into a folder that is already there.
            yield* files.write("single", "x")
            assert.strictEqual(yield* tagOf(files.move("single", "new")), "AlreadyExists")
            assert.strictEqual(yield* tagOf(files.move("new", "single")), "AlreadyExists")
            assert.strictEqual(yield* tagOf(files.move("new", "from")), "AlreadyExists")
            assert.deepStrictEqual(yield* files.list("from"), [])
            assert.strictEqual(yield* tagOf(files.move("none", "x")), "FileNotFound")
            assert.strictEqual(yield* tagOf(files.move("single", "single/x")), "NotAFile")
            assert.strictEqual(yield* tagOf(files.move("new", "new/inside")), "InvalidPath")
            assert.strictEqual(yield* tagOf(files.move("/", "/elsewhere")), "InvalidPath")
            assert.strictEqual(yield* files.readText("single"), "x")
          }),
        )

        check(
          "are removed whole only where that is said, and links without what they lead to",
          () =>
            Effect.gen(function* () {
              const sandbox = yield* make()
              const { files } = sandbox
              yield* files.write("d/kept", "here")
              yield* files.makeDirectory("empty")
              yield* out(sandbox, "ln -s d link; ln -s nowhere dangling")
              assert.strictEqual(yield* tagOf(files.remove("d")), "DirectoryNotEmpty")
              yield* files.remove("empty")
              yield* files.remove("link/", { recursive: true })
              yield* files.remove("dangling")
              assert.strictEqual(yield* files.readText("d/kept"), "here")
              assert.deepStrictEqual(
                (yield* files.list()).map(({ name }) => name),
                ["d"],
              )
              yield* files.remove("d", { recursive: true })
              assert.deepStrictEqual(yield* files.list(), [])
              assert.strictEqual(yield* tagOf(files.remove("d")), "FileNotFound")
              for (const root of ["/", "//", "/work/..", "/."]) {
                const wipe = files.remove(root, { recursive: true })
                assert.strictEqual(yield* tagOf(wipe), "InvalidPath")
              }
            }),
          lacks.linkRemoval,
        )

        check(
          "of others are left alone",
          () =>
            Effect.gen(function* () {
              const sandbox = yield* make({ user: "65534:65534", workdir: "/tmp" })
              const { files } = sandbox
              yield* sandbox.run("mkdir /closed; chmod 700 /closed", { user: "0" })
              assert.strictEqual(yield* tagOf(files.remove("/etc/passwd")), "PermissionDenied")
              assert.strictEqual(
                yield* tagOf(files.remove("/etc", { recursive: true })),
                "PermissionDenied",
              )
              assert.strictEqual(yield* tagOf(files.move("/etc/passwd", "p")), "PermissionDenied")
              yield* files.write("own", "")
              assert.strictEqual(yield* tagOf(files.move("own", "/etc/own")), "PermissionDenied")
              assert.strictEqual(yield* tagOf(files.makeDirectory("/etc/x")), "PermissionDenied")
              assert.strictEqual(yield* tagOf(files.list("/closed")), "PermissionDenied")
              assert.isTrue(yield* files.exists("/etc/passwd"))
            }),
          lacks.permissions,
        )
      })

      describe("pausing", () => {
        check("freezes what runs, refuses its use meanwhile, and lets it go on", () =>
          Effect.gen(function* () {
            const sandbox = yield* make()
            if (yield* lacksFeature("pause")) {
              assert.strictEqual(yield* tagOf(sandbox.pause), "Unsupported")
              return assert.strictEqual(yield* tagOf(sandbox.resume), "Unsupported")
            }
            yield* sandbox.resume
            const tick = "while :; do echo tick >>ticks; sleep 0.1; done >/dev/null 2>&1 &"
            yield* out(sandbox, tick)
            yield* sandbox.pause
            yield* sandbox.pause
            assert.strictEqual((yield* sandbox.inspect).status, "paused")
            const refusal = yield* Effect.flip(sandbox.exec("true"))
            assert.strictEqual(refusal._tag, "SandboxNotRunning")
            assert.match(refusal.message, /paused/)
            assert.strictEqual(yield* tagOf(sandbox.files.list()), "SandboxNotRunning")
            yield* Effect.sleep("1 second")
            yield* sandbox.resume
            // The process is the same one, and was away for a second.
            const ticks = () => Effect.map(sandbox.files.readText("ticks"), (text) => text.length)
            const before = yield* ticks()
            yield* Effect.sleep("500 millis")
            assert.isAbove(yield* ticks(), before)
            for (const end of [sandbox.start, sandbox.stop]) {
              yield* sandbox.pause
              yield* end
              yield* sandbox.start
              assert.strictEqual(yield* out(sandbox, "echo on"), "on\n")
            }
            yield* sandbox.stop
            assert.strictEqual(yield* tagOf(sandbox.pause), "SandboxNotRunning")
            yield* sandbox.start
            yield* sandbox.pause
            yield* sandbox.remove
            assert.strictEqual(yield* tagOf(sandbox.inspect), "SandboxNotFound")
          }),
        )
      })

      describe("search", () => {
        check("finds lines by text and by expression, whatever the names", () =>
          Effect.gen(function* () {
            const { files } = yield* make()
            yield* files.write("a.ts", "one\ntwo (x+y)\n")
            yield* files.write("b:2:.ts", "x+y\n")
            yield* files.write("sub/new\n./line", "  X+Y no end")
            yield* files.write("node_modules/m.ts", "x+y")
            yield* files.write(".git/config", "x+y")
            const found = (pattern: string, more: Parameters<typeof files.search>[1] = {}) =>
              Effect.map(files.search(pattern, more), ({ matches }) =>
                matches.map(({ path, line, text }) => `${path}|${line}|${text}`).sort(),
              )
            const a = "/work/a.ts|2|two (x+y)"
            const b = "/work/b:2:.ts|1|x+y"
            const c = "/work/sub/new\n./line|1|  X+Y no end"
            assert.deepStrictEqual(yield* found("x+y"), [a, b])
            assert.deepStrictEqual(yield* found("x+y", { ignoreCase: true }), [a, b, c])
            assert.deepStrictEqual(yield* found("x+y", { regex: true }), [])
            assert.deepStrictEqual(yield* found("^(one|x.y)$", { regex: true }), [
              "/work/a.ts|1|one",
              b,
            ])
            assert.deepStrictEqual(yield* found("x+y", { include: "a*" }), [a])
            assert.lengthOf(yield* found("x+y", { exclude: [] }), 4)
            assert.deepStrictEqual(yield* found("X+Y", { path: "sub" }), [c])
            assert.deepStrictEqual(yield* found("-e"), [])
          }),
        )

        check("is bounded in matches and lines, and refuses what is no pattern", () =>
          Effect.gen(function* () {
            const { files } = yield* make()
            yield* files.write("many", "hit\n".repeat(50))
            const some = yield* files.search("hit", { limit: 10 })
            assert.lengthOf(some.matches, 10)
            assert.isTrue(some.truncated)
            assert.isFalse((yield* files.search("hit", { limit: 50 })).truncated)
            yield* files.write("long", `${"long ".repeat(100_000)}\nshort long\n`)
            const { matches } = yield* files.search("long")
            assert.deepStrictEqual(
              matches.map(({ line, text }) => [line, text.length]),
              [
                [1, 1000],
                [2, 10],
              ],
            )
            assert.strictEqual(yield* tagOf(files.search("(", { regex: true })), "InvalidInput")
            for (const pattern of ["", "a\nb", "a\0b"]) {
              assert.strictEqual(yield* tagOf(files.search(pattern)), "InvalidInput")
            }
            assert.strictEqual(yield* tagOf(files.search("x", { path: "none" })), "FileNotFound")
          }),
        )

        check(
          "passes over what is no file",
          () =>
            Effect.gen(function* () {
              const sandbox = yield* make()
              yield* out(sandbox, "mkfifo pipe; ln -s /etc/passwd users; echo root: > real")
              const { matches } = yield* sandbox.files.search("root:")
              assert.deepStrictEqual(
                matches.map(({ path }) => path),
                ["/work/real"],
              )
              const kinds = (yield* sandbox.files.list()).map(({ kind }) => kind)
              assert.deepStrictEqual(kinds, ["other", "file", "symlink"])
            }),
          lacks.specialFiles,
        )
      })
    })
  })
}
