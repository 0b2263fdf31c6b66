import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { ListingParser } from "../src/sandbox/listing.ts"
import { longestLine, MatchParser } from "../src/sandbox/search.ts"

/** Cuts bytes at the given places, as a connection may. */
const cutAt = (bytes: Uint8Array, cuts: ReadonlyArray<number>) => {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length]
  places.sort((a, b) => a - b)
  return places.slice(1).map((end, n) => bytes.subarray(places[n], end))
}

const name = fc
  .string({ minLength: 1, unit: "binary" })
  .map((text) => Buffer.from(text.replace(/[/\0]/g, "x")).toString())
  .filter((text) => text !== "." && text !== "..")
const relative = fc.array(name, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"))
const cuts = fc.array(fc.nat(), { maxLength: 5 })

describe("listings", () => {
  it("are taken apart whatever the names, wherever they are cut", () => {
    const entry = fc.record({ path: relative, size: fc.nat(), mode: fc.nat({ max: 0o7777 }) })
    void fc.assert(
      fc.property(fc.array(entry), cuts, (entries, cuts) => {
        const text = entries.map(
          ({ path, size, mode }) => `./${path}//${size} ${mode.toString(8)} 12.500 file\n`,
        )
        const parser = new ListingParser("/work/")
        const found = cutAt(Buffer.from(text.join("")), cuts).flatMap((piece) => parser.push(piece))
        assert.deepStrictEqual(
          found.map(({ path, size, mode }) => ({ path, size, mode })),
          entries.map((entry) => ({ ...entry, path: `/work/${entry.path}` })),
        )
        assert.isTrue(found.every(({ modifiedAt }) => modifiedAt.getTime() === 12_500))
        assert.isTrue(parser.complete)
      }),
    )
  })

  it("understand busybox, and bound what is no listing and times that are no time", () => {
    const parser = new ListingParser("/")
    const text = "./a//5 644 1 regular file\n./b//0 777 -1 symbolic link\n./c//0 600 1 fifo\n"
    const found = parser.push(Buffer.from(text))
    assert.deepStrictEqual(
      found.map(({ path, kind, size }) => [path, kind, size]),
      [
        ["/a", "file", 5],
        ["/b", "symlink", 0],
        ["/c", "other", 0],
      ],
    )
    const [far] = parser.push(Buffer.from(`./d//0 644 ${"9".repeat(30)} file\n`))
    assert.isFalse(Number.isNaN(far?.modifiedAt.getTime()))
    parser.push(Buffer.from("nonsense"))
    assert.isFalse(parser.complete)
    assert.throws(() => parser.push(Buffer.alloc(2 * 1024 * 1024, "x")), /no listing/)
  })
})

describe("matches", () => {
  const line = fc
    .string({ maxLength: 30, unit: "binary" })
    .map((text) => Buffer.from(text.replace(/[\n\r\0]/g, "x")).toString())
  it("are taken apart whatever the names and lines, wherever they are cut", () => {
    const match = fc.record({ path: relative, line: fc.integer({ min: 1, max: 9999 }), text: line })
    void fc.assert(
      fc.property(fc.array(match), cuts, fc.boolean(), (matches, cuts, once) => {
        let last: string | undefined
        const text = matches.map(({ path, line, text }) => {
          const named = once && path === last ? "" : `./${path}\0`
          last = path
          return `${named}${line}:${text}\n`
        })
        const parser = new MatchParser("/work")
        const found = cutAt(Buffer.from(text.join("")), cuts).flatMap((piece) => parser.push(piece))
        assert.deepStrictEqual(
          found,
          matches.map((match) => ({ ...match, path: `/work/${match.path}` })),
        )
      }),
    )
  })

  it("keep the head of an endless line, and go on after it", () => {
    const parser = new MatchParser("/w")
    const first = parser.push(Buffer.from(`./f\x001:${"x".repeat(100_000)}`))
    assert.deepStrictEqual([first[0]?.text.length, first.length], [longestLine, 1])
    for (let n = 0; n < 20; n++) assert.isEmpty(parser.push(Buffer.alloc(100_000, "y")))
    const [next] = parser.push(Buffer.from("\n./g\x007:z\n"))
    assert.deepStrictEqual(next, { path: "/w/g", line: 7, text: "z" })
    assert.throws(() => parser.push(Buffer.from("junk\n")), /no match/)
  })
})
