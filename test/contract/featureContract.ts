import {
  type Feature,
  type FileEvent,
  type Sandbox,
  type SandboxDriver,
  Sandboxes,
  type SandboxSession,
  type SandboxTerminal,
  type SettingsInput,
} from "@cordon/core"
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber, Layer, Redacted, Schedule, Stream } from "effect"
import { onLayer } from "../support/onLayer.ts"
import { needs } from "../support/skips.ts"
import { gitContract } from "./gitContract.ts"
import { lastingShellContract } from "./lastingShellContract.ts"
import { pathContract } from "./pathContract.ts"
import { portContract } from "./portContract.ts"
import { processContract } from "./processContract.ts"
import { snapshotContract } from "./snapshotContract.ts"
import { statsContract } from "./statsContract.ts"
import { textContract } from "./textContract.ts"
import { transferContract } from "./transferContract.ts"

/** What the features are tested on, and where a driver may differ. */
export interface FeatureOptions {
  readonly layer: Layer.Layer<SandboxDriver, { readonly message: string }>
  readonly image: string
  /** Why none of it can run here; undefined where it can. */
  readonly unavailable?: string | undefined
  readonly settings?: SettingsInput
  /** Milliseconds for each test, where the usual ones are too few. */
  readonly timeout?: number
  /** An image with git, whose sandboxes have a way out to this machine. */
  readonly gitImage?: string | undefined
  /** This machine as those sandboxes reach it, where that is not where their network leads out. */
  readonly machine?: string | undefined
  /** What a driver may lack, with the reason that its skipped tests give. */
  readonly lacks?: { readonly [feature in Feature]?: string } & {
    readonly permissions?: string
    readonly specialFiles?: string
    readonly rootForges?: string
    readonly pidsLimit?: string
    /** Sandboxes with a way out to this machine. */
    readonly wayOut?: string
  }
}

let counter = 0

/** How many processes of a sandbox have a command line that matches a basic regular expression. */
const running = (sandbox: Sandbox, pattern: string) =>
  Effect.map(
    sandbox.run(
      `for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline 2>/dev/null | grep -q '${pattern}' && echo; done; true`,
    ),
    ({ stdout }) => stdout.length,
  )

/** What agents expect of a sandbox beyond commands and single files, on every driver. */
export const featureContract = (driverName: string, options: FeatureOptions) => {
  const { lacks = {} } = options
  const settings: SettingsInput = {
    image: options.image,
    network: "none",
    limits: { memory: "256MiB" },
    allow: { networks: ["bridge"] },
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

  /** Waits for what comes by itself; the test's own time bounds it. */
  const until = <E, R>(condition: Effect.Effect<boolean, E, R>) =>
    Effect.repeat(condition, { schedule: Schedule.spaced("50 millis"), until: (met) => met })

  const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.map(Effect.flip(effect), (error) => error._tag)

  const out = (sandbox: Sandbox, command: string) =>
    Effect.map(sandbox.run(command), ({ stdout }) => stdout)

  const layer = Sandboxes.layer(settings).pipe(Layer.provideMerge(options.layer))
  const { unavailable, timeout } = options
  onLayer(`Features: ${driverName}`, layer, { unavailable, timeout }, (check) => {
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
          assert.strictEqual(yield* tagOf(files.list("d/a")), "NotADirectory")
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
          assert.strictEqual(yield* tagOf(files.makeDirectory("file")), "NotADirectory")
          assert.strictEqual(yield* tagOf(files.makeDirectory("file/below")), "NotADirectory")
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
          assert.strictEqual(yield* tagOf(files.move("single", "single/x")), "NotADirectory")
          assert.strictEqual(yield* tagOf(files.move("new", "new/inside")), "InvalidPath")
          assert.strictEqual(yield* tagOf(files.move("/", "/elsewhere")), "InvalidPath")
          assert.strictEqual(yield* files.readText("single"), "x")
        }),
      )

      check("are removed whole only where that is said, and links without what they lead to", () =>
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
      )

      check(
        "of others are left alone",
        () =>
          Effect.gen(function* () {
            const sandbox = yield* make({ user: "65534:65534", workdir: "/tmp" })
            const { files } = sandbox
            yield* sandbox.run("mkdir -m 700 /tmp/closed", { user: "0" })
            assert.strictEqual(yield* tagOf(files.remove("/etc/passwd")), "PermissionDenied")
            assert.strictEqual(
              yield* tagOf(files.remove("/etc", { recursive: true })),
              "PermissionDenied",
            )
            assert.strictEqual(yield* tagOf(files.move("/etc/passwd", "p")), "PermissionDenied")
            yield* files.write("own", "")
            assert.strictEqual(yield* tagOf(files.move("own", "/etc/own")), "PermissionDenied")
            assert.strictEqual(yield* tagOf(files.makeDirectory("/etc/x")), "PermissionDenied")
            assert.strictEqual(yield* tagOf(files.list("/tmp/closed")), "PermissionDenied")
            assert.isTrue(yield* files.exists("/etc/passwd"))
          }),
        lacks.permissions,
      )
    })

    check("tells of what it lacks, and refuses it", () =>
      Effect.gen(function* () {
        const { features } = yield* (yield* Sandboxes).capabilities
        const session = yield* freshSession
        const { processes, ...sandbox } = yield* Sandboxes.scoped(session)
        // Allow-lists of destinations have tests of their own.
        const calls: Readonly<
          Record<
            Exclude<Feature, "egress">,
            ReadonlyArray<Effect.Effect<unknown, { readonly _tag: string }>>
          >
        > = {
          processes: [processes.start("true"), processes.list, processes.get("x")],
          stats: [sandbox.stats, Stream.runDrain(sandbox.watchStats())],
          ports: [
            sandbox.ports.list,
            sandbox.ports.wait(80),
            Effect.scoped(sandbox.ports.expose(80)),
          ],
          terminals: [Effect.scoped(sandbox.terminal())],
          snapshots: [
            sandbox.snapshot(),
            sandbox.fork(),
            session.snapshots.list,
            session.snapshots.remove("x"),
            session.create({ snapshot: "x" }),
          ],
          pause: [sandbox.pause, sandbox.resume],
          git: [sandbox.git.clone("https://example.com/project.git")],
        }
        for (const [feature, calls_] of Object.entries(calls)) {
          const lacking = !features.some((listed) => listed === feature)
          assert.strictEqual(lacking, feature in lacks, `${feature} is listed, or told why not`)
          for (const call of lacking ? calls_ : []) {
            assert.strictEqual(yield* tagOf(call), "Unsupported")
          }
        }
      }),
    )

    describe("pausing", () => {
      check(
        "freezes what runs, refuses its use meanwhile, and lets it go on",
        () =>
          Effect.gen(function* () {
            const sandbox = yield* make()
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
        lacks.pause,
      )
    })

    processContract({
      check,
      layer,
      lack: lacks.processes,
      rootForges: lacks.rootForges,
      pidsLimit: lacks.pidsLimit,
    })

    describe("terminals", () => {
      /** What a terminal shows, gathered as it comes. */
      const watch = (terminal: SandboxTerminal) =>
        Effect.gen(function* () {
          const seen = { text: "" }
          const fiber = yield* terminal.output.pipe(
            Stream.decodeText,
            Stream.runForEach((text) =>
              Effect.sync(() => {
                seen.text += text
              }),
            ),
            Effect.forkScoped,
          )
          const shows = (pattern: RegExp) => until(Effect.sync(() => pattern.test(seen.text)))
          return { seen, shows, done: Fiber.join(fiber) }
        })

      check(
        "have their size before their command looks",
        () =>
          Effect.gen(function* () {
            const sandbox = yield* make()
            const size = { columns: 111, rows: 33 }
            // Often, since what comes too late comes in time at times.
            for (const command of ["stty size", ["stty", "size"]] as const) {
              for (let round = 0; round < 5; round++) {
                const { seen, done } = yield* watch(yield* sandbox.terminal({ command, size }))
                yield* done
                assert.strictEqual(seen.text, "33 111\r\n")
              }
            }
          }),
        lacks.terminals,
      )

      check(
        "run commands that see a terminal of the size it has",
        () =>
          Effect.gen(function* () {
            const sandbox = yield* make()
            const terminal = yield* sandbox.terminal({
              command:
                '[ -t 0 ] && [ -t 1 ] && echo "tty $TERM $A"; pwd; while read -r line; do echo "got $line"; stty size; done; echo over; exit 4',
              size: { columns: 111, rows: 33 },
              env: { A: "own" },
              cwd: "/tmp",
            })
            const { seen, shows, done } = yield* watch(terminal)
            yield* shows(/tty xterm-256color own\r\n\/tmp\r\n/)
            yield* until(
              Effect.gen(function* () {
                yield* terminal.write("size\n")
                yield* Effect.sleep("100 millis")
                return /got size\r\n33 111\r\n/.test(seen.text)
              }),
            )
            yield* terminal.resize({ columns: 99, rows: 22 })
            yield* terminal.write("again\n")
            yield* shows(/got again\r\n22 99\r\n/)
            yield* terminal.write("\x04")
            yield* done
            assert.match(seen.text, /over\r\n$/)
            assert.strictEqual(yield* terminal.exit, 4)
            assert.strictEqual(
              yield* tagOf(terminal.resize({ columns: 0, rows: 1 })),
              "InvalidInput",
            )
          }),
        lacks.terminals,
      )

      check(
        "open a shell, take control characters, and leave no process behind",
        () =>
          Effect.gen(function* () {
            const sandbox = yield* make()
            const sleeping = running(sandbox, "^sleep 71")
            yield* Effect.scoped(
              Effect.gen(function* () {
                const terminal = yield* sandbox.terminal()
                const { shows } = yield* watch(terminal)
                yield* terminal.write("echo $((40 + 2)); sleep 7101\n")
                yield* shows(/[\r\n]42\r\n/)
                yield* until(Effect.map(sleeping, (count) => count === 1))
                yield* terminal.write("\x03")
                yield* until(Effect.map(sleeping, (count) => count === 0))
                yield* terminal.write("sleep 7102 & (setsid sleep 7103 &)\n")
                yield* until(Effect.map(sleeping, (count) => count === 2))
              }),
            )
            assert.strictEqual(yield* sleeping, 0)
            for (const options of [{ cwd: "/no/such" }, { cwd: "x\0" }]) {
              const refused = Effect.scoped(sandbox.terminal(options))
              assert.strictEqual(yield* tagOf(refused), "InvalidPath")
            }
            const nobody = Effect.scoped(sandbox.terminal({ user: "nobody-here" }))
            assert.strictEqual(yield* tagOf(nobody), "InvalidInput")
            yield* sandbox.stop
            assert.strictEqual(yield* tagOf(Effect.scoped(sandbox.terminal())), "SandboxNotRunning")
          }),
        lacks.terminals,
      )
    })

    describe("secrets", () => {
      check("reach each command, and only through the program that has them", () =>
        Effect.gen(function* () {
          const session = yield* freshSession
          const secrets = { TOKEN: Redacted.make("s3cret"), OTHER: "value two" }
          const sandbox = yield* Sandboxes.scoped(session, { name: "box", secrets })
          const show = 'printf "%s|%s" "$TOKEN" "$OTHER"'
          assert.strictEqual(yield* out(sandbox, show), "s3cret|value two")
          const { stdout } = yield* sandbox.exec(show, { env: { OTHER: "own" } })
          assert.strictEqual(stdout, "s3cret|own")
          assert.strictEqual(yield* out(yield* session.get("box"), show), "s3cret|value two")
          assert.notInclude(JSON.stringify(yield* sandbox.inspect), "s3cret")
          const fresh = yield* session.get("box", { secrets: { TOKEN: "next" } })
          assert.strictEqual(yield* out(fresh, show), "next|")
          const wrong: ReadonlyArray<Readonly<Record<string, string>>> = [
            { "NOT-A-NAME": "s3cret" },
            { NUL: "s3cret\0" },
          ]
          for (const secrets of wrong) {
            const error = yield* Effect.flip(session.create({ secrets }))
            assert.strictEqual(error._tag, "InvalidInput")
            assert.notInclude(JSON.stringify(error) + error.message, "s3cret")
          }
          yield* sandbox.remove
          const anew = yield* Sandboxes.scoped(session, { name: "box" })
          assert.strictEqual(yield* out(anew, show), "|")
        }),
      )

      check("and output as it comes: whole, in order, and before the end", () =>
        Effect.gen(function* () {
          const sandbox = yield* make()
          const seen: Array<string> = []
          const { stdout } = yield* sandbox.run("echo one; echo two >&2; seq 1 700", {
            outputLimit: 100,
            onOutput: ({ _tag, bytes }) =>
              Effect.sync(() => void seen.push(`${_tag}:${Buffer.from(bytes)}`)),
          })
          const numbers = Array.from({ length: 700 }, (_, n) => `${n + 1}\n`)
          const whole = seen.filter((piece) => piece.startsWith("Stdout:"))
          const text = whole.map((piece) => piece.slice("Stdout:".length)).join("")
          assert.strictEqual(text, `one\n${numbers.join("")}`)
          assert.include(seen, "Stderr:two\n")
          assert.isBelow(stdout.length, 200)
        }),
      )
    })

    snapshotContract({ check, image: options.image, lack: lacks.snapshots })

    describe("watching", () => {
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

      check("tells what is created, changed and removed, from the first look on", () =>
        Effect.gen(function* () {
          const sandbox = yield* make()
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

      check("knows names of every kind, and passes over what it is told to", () =>
        Effect.gen(function* () {
          const sandbox = yield* make()
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

      check("goes on while its folder is away, and ends with its sandbox", () =>
        Effect.gen(function* () {
          const sandbox = yield* make()
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
        "goes on after a pause",
        () =>
          Effect.gen(function* () {
            const sandbox = yield* make()
            const { sees } = yield* watching(sandbox)
            yield* sandbox.pause
            yield* sandbox.resume
            yield* sandbox.files.write("later", "")
            yield* sees("+ /work/later")
          }),
        lacks.pause,
      )

      check("is bounded in entries, and refused by what is in the way", () =>
        Effect.gen(function* () {
          const sandbox = yield* make()
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
        "leaves no process behind",
        () =>
          Effect.gen(function* () {
            const sandbox = yield* make()
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

    lastingShellContract({ check, make, lack: lacks.processes })
    statsContract({ check, make, lacks })
    portContract({ check, make, lack: lacks.ports ?? lacks.processes })
    textContract({ check, make, lacks })
    transferContract({ check, make })
    pathContract({ check, make, lacks })

    check(
      "git is missed where the image has none",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* make()
          const error = yield* Effect.flip(sandbox.git.clone("https://example.com/project.git"))
          assert.strictEqual(error._tag, "GitMissing")
          assert.deepStrictEqual(yield* sandbox.files.list(), [])
        }),
      lacks.git,
    )

    const { gitImage: image } = options
    const noClones = lacks.git ?? lacks.wayOut
    if ("gitImage" in options || noClones !== undefined) {
      gitContract({
        check,
        machine: options.machine,
        make: (create = {}) =>
          make({ ...(image === undefined ? {} : { image }), network: "bridge", ...create }),
        lack:
          noClones ??
          (image === undefined
            ? needs("an image", "CORDON_TEST_GIT_IMAGE is not set, as CI does")
            : undefined),
      })
    }
  })
}
