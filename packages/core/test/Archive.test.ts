import { setImmediate } from "node:timers/promises"
import { type ArchiveEntry, InvalidArchive, packArchive, unpackArchive } from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as fc from "fast-check"

const file = (path: string, bytes: Uint8Array, size = bytes.length): ArchiveEntry => ({
  path,
  kind: "file",
  size,
  mode: 0o640,
  content: Stream.succeed(bytes),
})

/** Bytes as a network brings them. */
function* pieces(bytes: Uint8Array) {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536)
}

const read = <E>(archive: Stream.Stream<Uint8Array, E>) =>
  Effect.gen(function* () {
    const found: Array<{ path: string; kind: string; bytes: Buffer; linkTarget?: string }> = []
    yield* unpackArchive(archive, (entry) =>
      Effect.gen(function* () {
        const bytes = Buffer.concat(yield* Stream.runCollect(entry.content))
        const link = entry.linkTarget === undefined ? {} : { linkTarget: entry.linkTarget }
        found.push({ path: entry.path, kind: entry.kind, bytes, ...link })
      }),
    )
    return found
  })

describe("Archive", () => {
  it.effect("gives back any entries in order", () =>
    Effect.promise(() =>
      fc.assert(
        fc.asyncProperty(
          fc.array(
            fc.record({
              path: fc
                .array(fc.stringMatching(/^[^/\0]{1,60}$/), { minLength: 1, maxLength: 6 })
                .map((parts) => parts.join("/"))
                .filter((path) => Buffer.from(path).toString() === path),
              bytes: fc.uint8Array({ maxLength: 3000 }),
            }),
            { maxLength: 8 },
          ),
          async (files) => {
            const found = await Effect.runPromise(
              read(packArchive(Stream.fromIterable(files.map((f) => file(f.path, f.bytes))))),
            )
            assert.deepStrictEqual(
              found.map(({ path, bytes }) => ({ path, bytes: [...bytes] })),
              files.map(({ path, bytes }) => ({ path, bytes: [...bytes] })),
            )
          },
        ),
        { numRuns: 200 },
      ),
    ),
  )

  const timesOf = <E>(archive: Stream.Stream<Uint8Array, E>) =>
    Effect.gen(function* () {
      const times: Array<number | undefined> = []
      yield* unpackArchive(archive, ({ modifiedAt }) =>
        Effect.sync(() => void times.push(modifiedAt?.getTime())),
      )
      return times
    })

  it.effect(
    "keeps times to the millisecond, and uses the current time for entries without one",
    () =>
      Effect.promise(() =>
        fc.assert(
          fc.asyncProperty(
            fc.array(
              fc.date({ min: new Date(0), max: new Date("2242-01-01"), noInvalidDate: true }),
              { minLength: 1, maxLength: 5 },
            ),
            async (dates) => {
              const before = Date.now()
              const undated = file("undated", new Uint8Array())
              const entries = dates.map((modifiedAt, n) => ({
                ...undated,
                path: `${n}`,
                modifiedAt,
              }))
              const archive = packArchive(Stream.fromIterable([...entries, undated]))
              const times = await Effect.runPromise(timesOf(archive))
              assert.deepStrictEqual(
                times.slice(0, -1),
                dates.map((date) => date.getTime()),
              )
              assert.isAtLeast(times.at(-1) ?? 0, before)
            },
          ),
          { numRuns: 100 },
        ),
      ),
  )

  it.effect("rounds a time up for readers of whole seconds", () =>
    Effect.gen(function* () {
      const modifiedAt = new Date(1_000_000_000_001)
      const entry = { ...file("x", new Uint8Array()), modifiedAt }
      const [pax, header] = yield* packArchive(Stream.make(entry)).pipe(
        Stream.runCollect,
        Effect.map((pieces) => Buffer.concat(pieces)),
        Effect.map((bytes) => [bytes.subarray(512), bytes.subarray(1024)]),
      )
      assert.include(pax?.toString("latin1") ?? "", "mtime=1000000000.001\n")
      assert.strictEqual(Number.parseInt(header?.toString("latin1", 136, 147) ?? "", 8), 1e9 + 1)
    }),
  )

  it.effect("ignores invalid times in an archive", () =>
    Effect.gen(function* () {
      const modifiedAt = new Date(1_000_000_000_001)
      const entry = { ...file("x", new Uint8Array()), modifiedAt }
      const bytes = Buffer.concat(yield* Stream.runCollect(packArchive(Stream.make(entry))))
      const inHeader = 1_000_000_001_000
      for (const [made, expected] of [
        ["-1000000000.01", undefined],
        ["99999999999999", undefined],
        ["nan00000000000", inHeader],
        ["1e400000000000", inHeader],
      ] as const) {
        const text = bytes.toString("latin1").replace("1000000000.001", made)
        const times = yield* timesOf(Stream.succeed(Buffer.from(text, "latin1")))
        assert.deepStrictEqual(times, [expected], made)
      }
    }),
  )

  it.effect("keeps directories and symlinks, and skips content that the reader does not read", () =>
    Effect.gen(function* () {
      const archive = packArchive(
        Stream.make<Array<ArchiveEntry>>(
          { path: "d/", kind: "directory", size: 0, mode: 0o755, content: Stream.empty },
          file("d/big", new Uint8Array(300_000).fill(7)),
          {
            path: "l",
            kind: "symlink",
            size: 0,
            mode: 0o777,
            linkTarget: "d/big",
            content: Stream.empty,
          },
        ),
      )
      const seen: Array<string> = []
      yield* unpackArchive(archive, (entry) =>
        Effect.sync(() => void seen.push(`${entry.kind} ${entry.path} ${entry.linkTarget ?? ""}`)),
      )
      assert.deepStrictEqual(seen, ["directory d/ ", "file d/big ", "symlink l d/big"])
    }),
  )

  it.effect("gives an entry's size and mode, and content for files only", () =>
    Effect.gen(function* () {
      const text = new TextEncoder().encode("text")
      const packing = packArchive(
        Stream.make<Array<ArchiveEntry>>(
          // A folder has no content, whatever is said of its size.
          { path: "d", kind: "directory", size: 7, mode: 0o2750, content: Stream.succeed(text) },
          { path: "p", kind: "other", size: 0, mode: 0o600, content: Stream.empty },
          file("f", text),
        ),
      )
      const seen: Array<unknown> = []
      const look = (archive: Stream.Stream<Uint8Array, InvalidArchive>) =>
        unpackArchive(archive, ({ path, kind, size, mode, content }) =>
          Effect.map(Stream.runCollect(content), (pieces) => {
            seen.push([path, kind, size, mode.toString(8), Buffer.concat(pieces).toString()])
          }),
        )
      yield* look(packing)
      assert.deepStrictEqual(seen.splice(0), [
        ["d/", "directory", 0, "2750", ""],
        ["f", "file", 4, "640", "text"],
      ])
      // An archive of others may have anything: here a device with bytes, which no tar of ours makes.
      const bytes = Buffer.concat(
        yield* Stream.runCollect(packArchive(Stream.make(file("f", text)))),
      )
      bytes.write("3", 156, "latin1")
      bytes.fill(" ", 148, 156)
      const sum = bytes.subarray(0, 512).reduce((all, byte) => all + byte, 0)
      bytes.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1")
      yield* look(Stream.succeed(bytes))
      assert.deepStrictEqual(seen, [["f", "other", 0, "640", ""]])
    }),
  )

  it.effect("stops a file that is longer than declared without reading the rest", () =>
    Effect.gen(function* () {
      const endless = {
        ...file("x", new Uint8Array(), 2),
        content: Stream.forever(Stream.succeed(new Uint8Array(1))),
      }
      const error = yield* Effect.flip(Stream.runDrain(packArchive(Stream.make(endless))))
      assert.match(
        error.message,
        /"x" changed while it was read: it was 2 bytes, and is now 3 or more/,
      )
    }),
  )

  it.effect("packs bytes in memory and streamed bytes the same way", () =>
    Effect.gen(function* () {
      const empty = { size: 0, content: Stream.empty }
      const long = "a name of fifty letters, and not one of them fewer/"
      const paths = ["x", `${long.repeat(3)}x`, `${long.repeat(6)}x`, `${"é".repeat(60)}/x`]
      const entries = paths.flatMap(
        (path, n): Array<ArchiveEntry> => [
          { ...empty, path: `${path}.d`, kind: "directory", mode: 0o750 },
          file(path, new Uint8Array(n * 511).fill(n)),
          { ...empty, path: `${path}.s`, kind: "symlink", mode: 0o777, linkTarget: path },
          { ...empty, path: `${path}.h`, kind: "hardlink", mode: 0o644, linkTarget: path },
        ],
      )
      const atHand = yield* Effect.forEach(entries, (entry) =>
        Effect.map(Stream.runCollect(entry.content), (pieces) =>
          entry.kind === "file"
            ? { ...entry, content: Stream.die("asked for"), whole: Buffer.concat(pieces) }
            : entry,
        ),
      )
      const bytes = yield* Effect.forEach([entries, atHand], (all) =>
        Effect.map(Stream.runCollect(packArchive(Stream.fromArray(all))), (p) => Buffer.concat(p)),
      )
      assert.isTrue(bytes[0]?.equals(bytes[1] ?? Buffer.alloc(0)))
      const found = yield* read(packArchive(Stream.fromArray(atHand)))
      assert.deepStrictEqual(
        found.map(({ path, kind, linkTarget = "" }) => [path.replace(/\/$/, ""), kind, linkTarget]),
        entries.map(({ path, kind, linkTarget = "" }) => [path, kind, linkTarget]),
      )
    }),
  )

  it.effect("unpacks a large file without Node warning of a leak", () =>
    Effect.gen(function* () {
      const warnings: Array<string> = []
      const note = ({ name }: Error) => void warnings.push(name)
      process.on("warning", note)
      const found = yield* read(
        packArchive(Stream.make(file("large", new Uint8Array(4_000_000)))).pipe(
          Stream.flatMap((bytes) => Stream.fromIterable(pieces(bytes))),
        ),
      )
      assert.strictEqual(found[0]?.bytes.length, 4_000_000)
      // Node tells of it a little later.
      yield* Effect.promise(() => setImmediate())
      process.off("warning", note)
      assert.deepStrictEqual(warnings, [])
    }),
  )

  it.effect("refuses a file that is shorter or longer than declared", () =>
    Effect.gen(function* () {
      const bytes = new Uint8Array([1, 2, 3])
      for (const size of [2, 4]) {
        for (const entry of [file("x", bytes, size), { ...file("x", bytes, size), whole: bytes }]) {
          const error = yield* Effect.flip(Stream.runDrain(packArchive(Stream.make(entry))))
          assert.instanceOf(error, InvalidArchive)
        }
      }
    }),
  )

  it.effect("refuses bytes that are a truncated archive or none", () =>
    Effect.gen(function* () {
      const whole = Buffer.concat(
        yield* Stream.runCollect(packArchive(Stream.make(file("x", new Uint8Array(5000))))),
      )
      for (const bytes of [
        whole.subarray(0, 3000),
        whole.subarray(0, 100),
        Buffer.alloc(2048, 65),
      ]) {
        const error = yield* Effect.flip(read(Stream.succeed(bytes)))
        assert.instanceOf(error, InvalidArchive)
      }
    }),
  )

  it.effect("passes on the error of a source and of a reader", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* Effect.flip(read(Stream.fail("broken" as const))), "broken")
      const archive = packArchive(
        Stream.make(file("x", new Uint8Array(70_000)), file("y", new Uint8Array(9))),
      )
      const error = yield* Effect.flip(unpackArchive(archive, () => Effect.fail("stop" as const)))
      assert.strictEqual(error, "stop")
    }),
  )
})
