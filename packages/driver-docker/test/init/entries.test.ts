import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as records from "../../src/init/entries.ts"
import { type Grammar, MalformedRecord, RecordParser } from "../../src/init/RecordParser.ts"

type Emits<A> = (emit: (record: A) => void) => Grammar<void>

const read = <A>(grammar: Emits<A>, wire: Uint8Array, sizes: ReadonlyArray<number>) => {
  const parser = new RecordParser(grammar)
  const found: Array<A> = []
  for (let at = 0, n = 0; at < wire.length; n++) {
    const size = sizes[n % sizes.length] ?? 1
    found.push(...parser.push(wire.subarray(at, at + size)))
    at += size
  }
  return { found, complete: parser.complete }
}

const str = (text: string | Uint8Array): Buffer => {
  const bytes = Buffer.from(text)
  const length = Buffer.alloc(4)
  length.writeUInt32LE(bytes.length)
  return Buffer.concat([length, bytes])
}
const u32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
const u64 = (value: number) => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes
}

const text = fc.string({ unit: "grapheme", maxLength: 40 }).map((it) => it.replaceAll("\0", ""))
const cuts = fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1, maxLength: 5 })
const file: fc.Arbitrary<records.Entry> = fc.record({
  kind: fc.constantFrom("file", "directory", "symlink", "hardlink", "other"),
  mode: fc.integer({ min: 0, max: 0o7777 }),
  user: fc.constant(0),
  group: fc.constant(0),
  size: fc.maxSafeNat(),
  modifiedAt: fc.date({ min: new Date(0), max: new Date("2242-01-01"), noInvalidDate: true }),
  path: text,
  target: text,
})
const sized = (entry: records.Entry) => ({ ...entry, size: entry.kind === "file" ? entry.size : 0 })

describe("the parser of the init's records", () => {
  it("reads entries, wherever the pieces end", () =>
    fc.assert(
      fc.property(fc.array(file), cuts, (files, sizes) => {
        const wire = Buffer.concat(files.map(records.encodeEntry))
        const { found, complete } = read(records.entries, wire, sizes)
        assert.deepStrictEqual(found, files.map(sized))
        assert.isTrue(complete)
      }),
    ))

  it("reads archives, wherever the pieces end", () =>
    fc.assert(
      fc.property(
        fc.array(fc.tuple(file, fc.array(fc.uint8Array({ maxLength: 100 })))),
        cuts,
        (files, sizes) => {
          const wire = Buffer.concat(
            files.flatMap(([entry, pieces]) => [
              records.encodeEntry(entry),
              ...(entry.kind === "file"
                ? [...pieces.flatMap(records.chunk), records.lastChunk()]
                : []),
            ]),
          )
          const { found, complete } = read(records.archive, wire, sizes)
          assert.isTrue(complete)
          const got: Array<{ readonly entry: records.Entry; bytes: string }> = []
          for (const part of found) {
            if (part === "end") continue
            const last = got.at(-1)
            if (!("content" in part)) got.push({ entry: part, bytes: "" })
            else if (last !== undefined) last.bytes += Buffer.from(part.content).toString("hex")
          }
          assert.deepStrictEqual(
            got,
            files.map(([entry, pieces]) => ({
              entry: sized(entry),
              bytes: entry.kind === "file" ? Buffer.concat(pieces).toString("hex") : "",
            })),
          )
        },
      ),
    ))

  it("reads matches, events, processes, usage and gathered files", () =>
    fc.assert(
      fc.property(
        text,
        text,
        fc.nat(),
        fc.uint8Array(),
        file,
        cuts,
        (a, b, n, bytes, entry, sizes) => {
          const match = Buffer.concat([str(a), u32(n), str(b)])
          assert.deepStrictEqual(read(records.matches, match, sizes).found, [
            { path: a, line: n, text: b },
          ])
          const event = Buffer.concat([Buffer.from("m"), records.encodeEntry(entry)])
          assert.deepStrictEqual(read(records.watchEvents, event, sizes).found, [
            { event: "changed", entry: sized(entry) },
          ])
          const process = Buffer.concat([
            str(a),
            u32(n),
            Uint8Array.of(2, 9),
            u64(n),
            u64(7),
            str("ls -l"),
          ])
          assert.deepStrictEqual(read(records.keptProcesses, process, sizes).found, [
            {
              name: a,
              pid: n,
              state: "signalled",
              value: 9,
              age: n,
              outputBytes: 7,
              description: "ls -l",
            },
          ])
          const used = Buffer.concat([u32(n), u32(3), u64(n)])
          assert.deepStrictEqual(read(records.usages, used, sizes).found, [
            { open: n, keptRunning: 3, quiet: n },
          ])
          const gathering = Buffer.concat([str(a), str(bytes), str(b), str("")])
          assert.deepStrictEqual(read(records.gathered, gathering, sizes).found, [
            { path: a, content: bytes },
            { path: b, content: new Uint8Array() },
          ])
        },
      ),
    ))

  it("detects a stream that ends within a record", () =>
    fc.assert(
      fc.property(file, fc.nat(), (entry, n) => {
        const wire = records.encodeEntry(entry)
        const part = wire.subarray(0, 1 + (n % (wire.length - 1)))
        assert.isFalse(read(records.entries, part, [5]).complete)
      }),
    ))

  const grammars: ReadonlyArray<readonly [string, Emits<unknown>]> = [
    ["entries", records.entries],
    ["archives", records.archive],
    ["matches", records.matches],
    ["events", records.watchEvents],
    ["processes", records.keptProcesses],
    ["usage", records.usages],
    ["gathered files", records.gathered],
  ]
  for (const [name, grammar] of grammars) {
    it(`reads random bytes as ${name} to their end, or refuses them`, () =>
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 300 }), cuts, (bytes, sizes) => {
          try {
            read(grammar, bytes, sizes)
          } catch (cause) {
            assert.instanceOf(cause, MalformedRecord)
          }
        }),
      ))
  }

  it("refuses a record by its declared length, before it arrives", () => {
    assert.throws(() => read(records.entries, u32(2 ** 30), [1]), MalformedRecord)
    assert.throws(() => read(records.matches, u32(2 ** 20), [1]), MalformedRecord)
  })

  it("passes on a chunk as it arrives, whatever its declared length", () => {
    const entry = records.encodeEntry({ kind: "file", mode: 0, size: 1, path: "x", target: "" })
    const wire = Buffer.concat([entry, u32(2 ** 32 - 1), Buffer.from("abc")])
    assert.deepStrictEqual(read(records.archive, wire, [entry.length + 4, 1]).found.slice(1), [
      { content: Buffer.from("a") },
      { content: Buffer.from("bc") },
    ])
  })
})
