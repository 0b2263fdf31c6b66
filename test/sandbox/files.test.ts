import {
  type FileContent,
  FileNotFound,
  PermissionDenied,
  type Sandbox,
  sessionFilesMemory,
} from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { sessionWith } from "../support/capableDriver.ts"
import { given } from "../support/given.ts"

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()

describe("Reading a file", () => {
  it.live("returns no more than the limit, and reads hardly more from the driver", () =>
    Effect.gen(function* () {
      const asked: Array<unknown> = []
      const session = yield* sessionWith(
        (driver) => ({
          readFile: (id, path, range) => {
            asked.push(range)
            return driver.readFile(id, path, range)
          },
        }),
        { fileLimit: 5 },
      )
      const { files } = yield* session.create()
      yield* files.write("fits", "12345")
      yield* files.write("large", "123456789")
      assert.strictEqual(yield* files.readText("fits"), "12345")
      const error = yield* Effect.flip(files.read("large"))
      assert.deepInclude(error, { _tag: "FileTooLarge", path: "large", size: 9, limit: 5 })
      assert.strictEqual(text(yield* files.read("large", { offset: 7 })), "89")
      assert.strictEqual(text(yield* files.read("large", { offset: 1, length: 2 })), "23")
      const part = yield* Effect.flip(files.read("large", { length: 8 }))
      assert.strictEqual(part._tag, "FileTooLarge")
      assert.deepStrictEqual(asked, [
        { length: 6 },
        { length: 6 },
        { offset: 7, length: 6 },
        { offset: 1, length: 2 },
        { length: 6 },
      ])
      const streamed = yield* Stream.runCollect(files.stream("large", { offset: 1 }))
      assert.strictEqual(Buffer.concat(streamed).toString(), "23456789")
    }).pipe(Effect.scoped),
  )

  it.live("answers exists(), which fails when the driver can't tell", () =>
    Effect.gen(function* () {
      const session = yield* sessionWith(() => ({
        stat: (_, path) =>
          path.endsWith("there")
            ? Effect.succeed({ kind: "file", size: 0, mode: 0o644 })
            : Effect.fail(
                path.endsWith("none") ? new FileNotFound({ path }) : new PermissionDenied({ path }),
              ),
      }))
      const { files } = yield* session.create()
      assert.isTrue(yield* files.exists("there"))
      assert.isFalse(yield* files.exists("none"))
      assert.strictEqual((yield* Effect.flip(files.exists("closed")))._tag, "PermissionDenied")
    }).pipe(Effect.scoped),
  )
})

describe("A folder", () => {
  const entry = (path: string) => ({
    name: path,
    path,
    kind: "file" as const,
    size: 0,
    mode: 0o644,
    modifiedAt: new Date(0),
  })

  it.live("is listed by sorted absolute paths, up to the limit", () =>
    Effect.gen(function* () {
      const asked: Array<ReadonlyArray<unknown>> = []
      let given = 0
      const session = yield* sessionWith(() => ({
        listFolder: (_, ...which) => {
          asked.push(which)
          return Stream.make("b", "a", "c", "d").pipe(
            Stream.rechunk(1),
            Stream.map((path) => {
              given += 1
              return entry(path)
            }),
          )
        },
      }))
      const { files } = yield* session.create({ workdir: "/work" })
      const listed = yield* files.list("./x//y/.", { depth: 3 })
      assert.deepStrictEqual(
        listed.map(({ path }) => path),
        ["/work/x/y/a", "/work/x/y/b", "/work/x/y/c", "/work/x/y/d"],
      )
      assert.strictEqual((yield* files.list("/"))[0]?.path, "/a")
      assert.deepStrictEqual(asked, [
        ["/work/x/y", 3],
        ["/", 1],
      ])
      given = 0
      const error = yield* Effect.flip(files.list("/", { limit: 2 }))
      assert.deepInclude(error, { _tag: "TooManyFiles", path: "/", limit: 2 })
      assert.strictEqual(given, 3)
    }).pipe(Effect.scoped),
  )

  it.live("is searched with the given options, by default without .git and node_modules", () =>
    Effect.gen(function* () {
      const asked: Array<ReadonlyArray<unknown>> = []
      const session = yield* sessionWith(() => ({
        searchFolder: (_, path, search) => {
          asked.push([path, given(search)])
          return Stream.make(
            { path: "a", line: 1, text: "windows\r" },
            { path: "sub/b", line: 2, text: `${"x".repeat(999)}yz` },
          )
        },
      }))
      const { files } = yield* session.create({ workdir: "/work" })
      const { matches, truncated } = yield* files.search("x")
      assert.deepStrictEqual(matches, [
        { path: "/work/a", line: 1, text: "windows" },
        { path: "/work/sub/b", line: 2, text: `${"x".repeat(999)}y` },
      ])
      assert.isFalse(truncated)
      const options = { path: "/in/", regex: true, ignoreCase: true, include: "*.ts", exclude: [] }
      const first = yield* files.search("x", { ...options, limit: 1 })
      assert.deepInclude(first, { truncated: true })
      assert.lengthOf(first.matches, 1)
      const plain = { regex: false, ignoreCase: false, exclude: [".git", "node_modules"] }
      const { path: _, ...others } = options
      assert.deepStrictEqual(asked, [
        ["/work", { pattern: "x", ...plain }],
        ["/in", { pattern: "x", ...others }],
      ])
    }).pipe(Effect.scoped),
  )

  it.live("that is a link is moved and removed as the link itself, and the root never", () =>
    Effect.gen(function* () {
      const asked: Array<ReadonlyArray<unknown>> = []
      const note = (...which: ReadonlyArray<unknown>) => {
        asked.push(which.slice(1))
        return Effect.void
      }
      const session = yield* sessionWith(() => ({ moveFile: note, removeFile: note }))
      const { files } = yield* session.create({ workdir: "/work" })
      yield* files.move("link/", "/to//")
      yield* files.remove("link/")
      yield* files.remove("link", { recursive: true })
      assert.deepStrictEqual(asked, [
        ["/work/link", "/to"],
        ["/work/link", { recursive: false }],
        ["/work/link", { recursive: true }],
      ])
      for (const root of ["/", "/work/..", "//."]) {
        const removed = yield* Effect.flip(files.remove(root, { recursive: true }))
        const moved = yield* Effect.flip(files.move(root, "x"))
        assert.deepStrictEqual([removed._tag, moved._tag], ["InvalidPath", "InvalidPath"])
      }
      assert.lengthOf(asked, 3)
    }).pipe(Effect.scoped),
  )
})

describe("A path", () => {
  it.live("resolves to an absolute one whether the file exists or not", () =>
    Effect.gen(function* () {
      const { files } = yield* (yield* sessionWith(() => ({}))).create({ workdir: "/work" })
      assert.strictEqual(yield* files.resolve("none"), "/work/none")
    }).pipe(Effect.scoped),
  )
})

describe("Writing a file", () => {
  it.live("passes the driver its size if known and its mode if given", () =>
    Effect.gen(function* () {
      const asked: Array<Omit<FileContent<never>, "bytes"> & { readonly text: string }> = []
      const session = yield* sessionWith(() => ({
        writeFile: (_, __, { bytes, ...rest }) =>
          Effect.map(Stream.runCollect(bytes), (pieces) => {
            asked.push({ ...rest, text: Buffer.concat(pieces).toString() })
          }),
      }))
      const { files } = yield* session.create()
      const stream = Stream.make(bytes("t"), bytes("é"))
      yield* files.write("a", "té")
      yield* files.write("a", bytes("té"), { mode: 0o600, size: 7 })
      yield* files.write("a", stream)
      yield* files.write("a", stream, { mode: 0o600, size: 3 })
      assert.deepStrictEqual(asked.map(given), [
        { size: 3, text: "té" },
        { size: 3, mode: 0o600, text: "té" },
        { text: "té" },
        { size: 3, mode: 0o600, text: "té" },
      ])
      assert.strictEqual((yield* Effect.flip(files.write("a", "\ud800")))._tag, "InvalidInput")
      assert.strictEqual(asked.length, 4)
    }).pipe(Effect.scoped),
  )
})

describe("A download", () => {
  it.live("fails when it is larger than the transfer limit of the settings", () =>
    Effect.gen(function* () {
      const session = yield* sessionWith(() => ({}), { transferLimit: 5 })
      const { files }: Sandbox = yield* session.create()
      yield* files.write("a", "123456")
      const error = yield* Effect.flip(files.download("a", "a"))
      assert.deepInclude(error, { _tag: "FileTooLarge", limit: 5 })
    }).pipe(Effect.scoped, Effect.provide(sessionFilesMemory)),
  )
})
