import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Watcher } from "../src/sandbox/watch.ts"

type Tree = Readonly<Record<string, { readonly kind: string; readonly size: number }>>

const looked = (tree: Tree) =>
  `${Object.entries(tree)
    .map(([path, { kind, size }]) => `./${path}//${size} 644 1.5 ${kind}\n`)
    .join("")}\0`

const told = (watcher: Watcher, bytes: Uint8Array) =>
  watcher
    .push(bytes)
    .map((event) => (event._tag === "Ready" ? "Ready" : `${event._tag} ${event.entry.path}`))

const tree = fc.dictionary(
  fc.string({ minLength: 1, unit: "binary" }).map((text) => text.replace(/[/\0]/g, "x")),
  fc.record({ kind: fc.constantFrom("file", "directory"), size: fc.nat({ max: 2 }) }),
  { noNullPrototype: true, maxKeys: 8 },
)

describe("watching", () => {
  it("tells what makes one look into the next, wherever the output is cut", () => {
    void fc.assert(
      fc.property(fc.array(tree, { minLength: 1 }), fc.nat(), (looks, cut) => {
        const watcher = new Watcher("/w", 100)
        const bytes = Buffer.from(looks.map(looked).join(""))
        const at = cut % bytes.length
        const events = [bytes.subarray(0, at), bytes.subarray(at)].flatMap((piece) =>
          watcher.push(piece),
        )
        assert.strictEqual(events[0]?._tag, "Ready")
        // Played back upon the first look, the events give the last one.
        const names = (entries: Tree) =>
          Object.entries(entries).map(
            ([name, { kind, size }]) => `${name} ${kind} ${kind === "file" ? size : ""}`,
          )
        const known = new Map<string, Tree[string]>(Object.entries(looks[0] ?? {}))
        for (const event of events.slice(1)) {
          if (event._tag === "Ready") throw new Error("Ready comes once")
          const { kind, size, path } = event.entry
          const name = path.slice("/w/".length)
          assert.strictEqual(known.has(name), event._tag !== "Created")
          if (event._tag === "Removed") known.delete(name)
          else known.set(name, { kind, size })
        }
        assert.deepStrictEqual(
          names(Object.fromEntries(known)).sort(),
          names(looks.at(-1) ?? {}).sort(),
        )
      }),
    )
  })

  it("tells of leaves before what they are in goes, and after it comes", () => {
    const watcher = new Watcher("/", 10)
    const folder = { kind: "directory", size: 4096 }
    const file = { kind: "file", size: 1 }
    const whole = { "a/b": file, a: folder, "a/c": file }
    assert.deepStrictEqual(told(watcher, Buffer.from(looked({}))), ["Ready"])
    assert.deepStrictEqual(told(watcher, Buffer.from(looked(whole))), [
      "Created /a",
      "Created /a/b",
      "Created /a/c",
    ])
    assert.deepStrictEqual(told(watcher, Buffer.from(looked({ a: file }))), [
      "Removed /a/c",
      "Removed /a/b",
      "Removed /a",
      "Created /a",
    ])
  })

  it("is bounded, and refuses what is no look", () => {
    const watcher = new Watcher("/w", 2)
    const file = { kind: "file", size: 1 }
    assert.throws(
      () => watcher.push(Buffer.from(looked({ a: file, b: file, c: file }))),
      /more than 2/,
    )
    assert.throws(() => new Watcher("/w", 2).push(Buffer.from("./a//1 6\0")), /no listing/)
    assert.throws(() => new Watcher("/w", 2).push(Buffer.from("nonsense\0")), /no listing/)
  })
})
