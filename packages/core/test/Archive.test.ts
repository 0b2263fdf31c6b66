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

  it.effect("keeps directories and symlinks, and skips what a reader leaves", () =>
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

  it.effect("refuses a file that is shorter or longer than it said", () =>
    Effect.gen(function* () {
      for (const size of [2, 4]) {
        const error = yield* packArchive(
          Stream.make(file("x", new Uint8Array([1, 2, 3]), size)),
        ).pipe(Stream.runDrain, Effect.flip)
        assert.instanceOf(error, InvalidArchive)
      }
    }),
  )

  it.effect("refuses an archive that was cut short or is none", () =>
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

  it.effect("hands through the failure of a source and of a reader", () =>
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
