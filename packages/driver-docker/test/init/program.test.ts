import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { packArchive } from "@cordon/core"
import { assert, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { onEachProgram } from "../../../../init/test/support.ts"
import * as archives from "../../src/init/archives.ts"
import * as files from "../../src/init/files.ts"
import * as folders from "../../src/init/folders.ts"
import { dial } from "../../src/init/ports.ts"
import * as processes from "../../src/init/processes.ts"
import { type RunEvent, run, start } from "../../src/init/run.ts"
import { connectTo, connectTwice } from "./program.ts"

const shown = (events: ReadonlyArray<RunEvent>) => {
  const text = (tag: string) =>
    Buffer.concat(
      events.flatMap((event) => (event._tag === tag && "bytes" in event ? [event.bytes] : [])),
    ).toString()
  const last = events.at(-1)
  return {
    stdout: text("Stdout"),
    stderr: text("Stderr"),
    exit: last?._tag === "Exit" ? last : undefined,
  }
}
const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "cordon-init-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true })),
)
const bytesOf = <E>(stream: Stream.Stream<Uint8Array, E>) =>
  Effect.map(Stream.runCollect(stream), (pieces) => Buffer.concat(pieces))

await onEachProgram("the client of cordon-init", (program) => {
  it.live("runs commands with their input, outputs and exit code", () =>
    Effect.gen(function* () {
      const connection = yield* connectTo(program)
      const argv = ["/bin/sh", "-c", "echo out; echo err >&2; cat; exit 3"]
      const stdin = Buffer.from("in")
      const events = yield* Stream.runCollect(run(connection, { argv, cwd: "/", stdin }))
      assert.deepInclude(shown(events), { stdout: "out\nin", stderr: "err\n" })
      assert.deepInclude(shown(events).exit, { exitCode: 3, timedOut: false, unanswered: false })
    }).pipe(Effect.scoped),
  )

  it.live("echoes 20 MB of input", () =>
    Effect.gen(function* () {
      const connection = yield* connectTo(program)
      const stdin = Stream.range(1, 200).pipe(Stream.map((n) => Buffer.alloc(100_000, n)))
      const events = yield* Stream.runCollect(run(connection, { argv: ["cat"], cwd: "/", stdin }))
      const output = shown(events)
      assert.strictEqual(output.stdout.length > 0, true)
      const bytes = Buffer.concat(
        events.flatMap((event) => ("bytes" in event ? [event.bytes] : [])),
      )
      assert.isTrue(bytes.equals(yield* bytesOf(stdin)))
    }).pipe(Effect.scoped),
  )

  it.live("kills a command at its timeout, with what it started", () =>
    Effect.gen(function* () {
      const connection = yield* connectTo(program)
      const argv = ["/bin/sh", "-c", "setsid sleep 1000 & sleep 1000"]
      const events = yield* Stream.runCollect(run(connection, { argv, cwd: "/", timeout: 200 }))
      assert.deepInclude(shown(events).exit, { exitCode: 137, timedOut: true, unanswered: false })
      const ps = run(connection, {
        argv: ["/bin/sh", "-c", "sleep 0.2; cat /proc/[0-9]*/cmdline | tr '\\0' ' '"],
        cwd: "/",
      })
      assert.notInclude(shown(yield* Stream.runCollect(ps)).stdout, "sleep 1000")
    }).pipe(Effect.scoped),
  )

  // An emulator begins to run before it looks for the program.
  if (program.command.length === 1)
    it.live("reports why a command did not start", () =>
      Effect.gen(function* () {
        const connection = yield* connectTo(program)
        const fails = (command: { argv: Array<string>; cwd: string; user?: string }) =>
          Effect.flip(Stream.runDrain(run(connection, command)))
        assert.deepInclude(yield* fails({ argv: ["/nowhere"], cwd: "/" }), {
          stage: "program",
          errno: 2,
        })
        assert.deepInclude(yield* fails({ argv: ["true"], cwd: "/nowhere" }), {
          stage: "folder",
          errno: 2,
        })
        assert.deepInclude(yield* fails({ argv: ["true"], cwd: "/", user: "nobody-such" }), {
          stage: "user",
        })
      }).pipe(Effect.scoped),
    )

  it.live("runs a program on a terminal of the requested size", () =>
    Effect.gen(function* () {
      const connection = yield* connectTo(program)
      const running = yield* start(connection, {
        argv: ["/bin/sh", "-c", "stty size; read x; stty size; echo $x"],
        cwd: "/",
        terminal: { rows: 11, columns: 77 },
      })
      assert.isAbove(yield* running.pid, 0)
      const events = yield* Stream.runCollect(
        Stream.tap(running.events, (event) =>
          "bytes" in event && Buffer.from(event.bytes).includes("11 77")
            ? Effect.andThen(
                running.resize({ rows: 12, columns: 78 }),
                running.write(Buffer.from("typed\n")),
              )
            : Effect.void,
        ),
      )
      assert.match(shown(events).stdout, /11 77\r\n[\s\S]*12 78\r\ntyped/)
    }).pipe(Effect.scoped),
  )

  it.live("keeps a process that is attached to, listed and forgotten", () =>
    Effect.gen(function* () {
      const connection = yield* connectTo(program)
      const argv = ["/bin/sh", "-c", "echo one; read x; echo two $x; exit 5"]
      const keeping = { name: "job", description: "says it twice" }
      const keep = processes.keep(connection, keeping, { argv, cwd: "/" }, true)
      yield* keep
      assert.deepInclude(yield* Effect.flip(keep), { _tag: "ProcessNameTaken" })
      const [listed] = yield* processes.list(connection)
      assert.deepInclude(listed, { ...keeping, state: "running" })
      assert.isAbove(listed?.pid ?? 0, 0)
      // Leaving it leaves it alone.
      yield* Effect.scoped(
        Effect.flatMap(processes.attach(connection, "job"), ({ events }) =>
          Stream.runDrain(Stream.take(events, 1)),
        ),
      )
      const { events, takesInput, write } = yield* processes.attach(connection, "job", 2)
      assert.isTrue(takesInput)
      yield* write(Buffer.from("x\n"))
      const log = yield* Stream.runCollect(events)
      const text = Buffer.concat(
        log.flatMap((it) => (it._tag === "Stdout" ? [it.bytes] : [])),
      ).toString()
      assert.strictEqual(text, "e\ntwo x\n")
      assert.deepInclude(log.at(-1), { _tag: "Exit", exitCode: 5 })
      yield* processes.forget(connection, "job")
      assert.deepStrictEqual(yield* processes.list(connection), [])
      const gone = Effect.scoped(processes.attach(connection, "job"))
      assert.deepInclude(yield* Effect.flip(gone), { _tag: "ProcessNotFound" })
      assert.deepInclude(yield* Effect.flip(processes.forget(connection, "job")), {
        _tag: "ProcessNotFound",
      })
    }).pipe(Effect.scoped),
  )

  it.live("reports how another connection uses the sandbox", () =>
    Effect.gen(function* () {
      const { connection, further } = yield* connectTwice(program)
      const keeping = { name: "job", description: "" }
      const request = { argv: ["sleep", "1000"], cwd: "/" }
      yield* processes.keep(connection, keeping, request, false)
      const other = yield* further
      const running = yield* start(other, { argv: ["cat"], cwd: "/" })
      yield* running.pid
      assert.deepInclude(yield* processes.usage(connection), { open: 1, keptRunning: 1 })
      const { open, quiet } = yield* processes.usage(other)
      assert.strictEqual(open, 0)
      yield* Effect.sleep(50)
      assert.isAbove((yield* processes.usage(other)).quiet, quiet)
      yield* running.kill
      yield* Stream.runDrain(running.events)
      assert.deepInclude(yield* processes.usage(connection), { open: 0, keptRunning: 1 })
    }).pipe(Effect.scoped),
  )

  it.live("dials a port, and fails when nothing listens", () =>
    Effect.gen(function* () {
      const connection = yield* connectTo(program)
      const server = createServer((socket) => socket.pipe(socket))
      yield* Effect.promise(
        () => new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve)),
      )
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      const { output, write, end } = yield* dial(connection, port)
      yield* write(Buffer.from("hello"))
      yield* end
      assert.strictEqual((yield* bytesOf(output)).toString(), "hello")
      yield* Effect.promise(() => new Promise((resolve) => server.close(resolve)))
      assert.deepInclude(yield* Effect.flip(Effect.scoped(dial(connection, port))), {
        _tag: "PortUnreachable",
        reason: "nothing listens there",
      })
    }).pipe(Effect.scoped),
  )

  it.live("reads, writes and changes files", () =>
    Effect.gen(function* () {
      const actor = { connection: yield* connectTo(program) }
      const at = yield* folder
      const path = join(at, "deep/er/file")
      const modifiedAt = new Date("2020-02-03T04:05:06.789Z")
      const content = Stream.make(Buffer.from("one"), Buffer.alloc(300_000, "x"))
      yield* files.write(actor, path, { bytes: content, size: 300_003, mode: 0o640, modifiedAt })
      assert.deepInclude(yield* files.stat(actor, path), {
        kind: "file",
        size: 300_003,
        mode: 0o640,
        modifiedAt,
      })
      assert.strictEqual((yield* bytesOf(files.read(actor, path))).length, 300_003)
      assert.strictEqual(
        (yield* bytesOf(files.read(actor, path, { offset: 1, length: 4 }))).toString(),
        "nexx",
      )
      yield* files.changeMode(actor, path, 0o600)
      yield* files.move(actor, path, join(at, "moved"))
      assert.strictEqual(statSync(join(at, "moved")).mode & 0o777, 0o600)
      yield* folders.makeFolder(actor, join(at, "made/it"))
      const listed = yield* Stream.runCollect(folders.list(actor, at, { depth: 9 }))
      assert.deepStrictEqual(listed.map((entry) => entry.path).sort(), [
        "deep",
        "deep/er",
        "made",
        "made/it",
        "moved",
      ])
      assert.deepInclude(yield* Effect.flip(files.remove(actor, join(at, "made"))), {
        _tag: "DirectoryNotEmpty",
      })
      yield* files.remove(actor, join(at, "made"), { recursive: true })
      assert.deepInclude(yield* Effect.flip(files.stat(actor, join(at, "made"))), {
        _tag: "FileNotFound",
      })
      assert.deepInclude(yield* Effect.flip(bytesOf(files.read(actor, at))), { _tag: "NotAFile" })
      const wrong = files.write(actor, join(at, "moved"), {
        bytes: Stream.make(Buffer.from("y")),
        size: 2,
      })
      assert.deepInclude(yield* Effect.flip(wrong), { _tag: "StorageFailed" })
      assert.strictEqual(statSync(join(at, "moved")).size, 300_003)
    }).pipe(Effect.scoped),
  )

  it.live("refuses to move or remove a path without a name, and to move a folder into itself", () =>
    Effect.gen(function* () {
      const actor = { connection: yield* connectTo(program) }
      const at = yield* folder
      mkdirSync(join(at, "a/b"), { recursive: true })
      const inside = yield* Effect.flip(files.move(actor, join(at, "a"), join(at, "a/b/c")))
      assert.deepInclude(inside, {
        _tag: "InvalidPath",
        path: join(at, "a/b/c"),
        reason: "it is inside the folder that is to be moved",
      })
      for (const path of [`${at}/a/.`, `${at}/a/b/..`, "/"]) {
        for (const act of [
          files.move(actor, path, `${at}/c`),
          files.remove(actor, path, { recursive: true }),
        ]) {
          assert.deepInclude(yield* Effect.flip(act), { _tag: "InvalidPath", path })
        }
        const onto = yield* Effect.flip(files.move(actor, join(at, "a/b"), path))
        assert.deepInclude(onto, { _tag: "AlreadyExists", path })
      }
      assert.isTrue(statSync(join(at, "a/b")).isDirectory())
    }).pipe(Effect.scoped),
  )

  it.live("changes the owner of an empty folder", () =>
    Effect.gen(function* () {
      const actor = { connection: yield* connectTo(program) }
      const at = yield* folder
      yield* files.own(actor, at, "4711:815")
      assert.deepInclude(statSync(at), { uid: 4711, gid: 815 })
      assert.deepInclude(yield* Effect.flip(files.own(actor, at, "nosuchuser")), {
        _tag: "StorageFailed",
        reason: "the sandbox has no such user",
      })
      writeFileSync(join(at, "file"), "")
      assert.deepInclude(yield* Effect.flip(files.own(actor, at, "0")), {
        _tag: "DirectoryNotEmpty",
      })
    }).pipe(Effect.scoped),
  )

  it.live("packs and unpacks folders", () =>
    Effect.gen(function* () {
      const actor = { connection: yield* connectTo(program) }
      const at = yield* folder
      mkdirSync(join(at, "from/sub"), { recursive: true })
      writeFileSync(join(at, "from/sub/big"), Buffer.alloc(3_000_000, "b"))
      writeFileSync(join(at, "from/empty"), "")
      for (let n = 0; n < 300; n++) writeFileSync(join(at, `from/sub/${n}`), `${n}`)
      symlinkSync("sub/big", join(at, "from/link"))
      const archive = archives.pack(actor, join(at, "from"))
      yield* archives.unpack(actor, join(at, "to"), archive)
      for (let n = 0; n < 300; n++)
        assert.strictEqual(readFileSync(join(at, `to/sub/${n}`), "utf8"), `${n}`)
      assert.strictEqual(readFileSync(join(at, "to/link")).length, 3_000_000)
      assert.strictEqual(statSync(join(at, "to/empty")).size, 0)
      const evil = packArchive(
        Stream.make({
          path: "../out",
          kind: "file",
          size: 1,
          mode: 0o644,
          content: Stream.make(Buffer.from("x")),
        } as const),
      )
      assert.deepInclude(yield* Effect.flip(archives.unpack(actor, join(at, "to"), evil)), {
        _tag: "InvalidArchive",
      })
    }).pipe(Effect.scoped),
  )

  it.live("reads files of /proc", () =>
    Effect.gen(function* () {
      const actor = { connection: yield* connectTo(program) }
      const paths = ["/proc/*/stat", "/proc/uptime", "/nowhere"] as const
      const found = yield* Stream.runCollect(files.gather(actor, paths))
      assert.include(
        found.map(({ path }) => path),
        "/proc/1/stat",
      )
      assert.strictEqual(found.at(-1)?.path, "/proc/uptime")
    }).pipe(Effect.scoped),
  )
})
