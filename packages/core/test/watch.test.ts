import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import type { FileEvent } from "../src/index.ts"
import { Watcher } from "../src/sandbox/files/watch.ts"
import { FilePath } from "../src/values/FilePath.ts"
import type { FileEntry } from "../src/values/Files.ts"
import { FolderChange } from "../src/values/Folders.ts"

const entry = (path: string, more: Partial<FileEntry> = {}): FileEntry => ({
  path,
  name: path.slice(path.lastIndexOf("/") + 1),
  kind: "file",
  size: 1,
  mode: 0o644,
  modifiedAt: new Date(1000),
  ...more,
})
const folder = (path: string) => entry(path, { kind: "directory", size: 0 })
const found = (...entries: ReadonlyArray<FileEntry>) =>
  entries.map((entry) => FolderChange.Found({ entry }))
const gone = (path: string) => FolderChange.Gone({ path })
const complete = FolderChange.Complete()
const anew = FolderChange.Anew()

const watcherOf = (folder = "/w", limit = 100) => new Watcher(FilePath.make(folder), limit)
const taken = (watcher: Watcher, ...changes: ReadonlyArray<FolderChange>) =>
  changes.flatMap((change) => watcher.take(change))
const words = (events: ReadonlyArray<FileEvent>) =>
  events.map((event) =>
    event._tag === "Ready"
      ? `Ready ${event.entries.map(({ path }) => path).join(" ")}`.trim()
      : `${event._tag} ${event.entry.path}`,
  )

/** A tree, made and unmade at random, as a driver tells of it. */
const step = fc.oneof(
  fc.record({
    path: fc.array(fc.constantFrom("a", "b"), { minLength: 1, maxLength: 3 }),
    kind: fc.constantFrom("file" as const, "directory" as const),
    size: fc.nat({ max: 2 }),
  }),
  fc.record({ gone: fc.array(fc.constantFrom("a", "b"), { minLength: 1, maxLength: 3 }) }),
  fc.constantFrom("look" as const, "tell" as const),
)

describe("A watch", () => {
  it("reports changes that turn the last reported state into the current one, whatever happened between", () => {
    void fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const watcher = watcherOf()
        const real = new Map<string, FileEntry>()
        const drop = (path: string) => {
          for (const other of [...real.keys()]) {
            if (other === path || other.startsWith(`${path}/`)) real.delete(other)
          }
        }
        const played = new Map<string, string>()
        const sizes = ({ kind, size }: FileEntry) => `${kind} ${kind === "file" ? size : ""}`
        const play = () => {
          for (const event of watcher.tell()) {
            if (event._tag === "Ready") throw new Error("Ready comes once")
            const { path } = event.entry
            assert.strictEqual(played.has(path), event._tag !== "Created")
            if (event._tag === "Removed") {
              assert.isFalse([...played.keys()].some((other) => other.startsWith(`${path}/`)))
              played.delete(path)
            } else played.set(path, sizes(event.entry))
          }
          const there = [...real].map(([path, entry]) => [`/w/${path}`, sizes(entry)])
          assert.deepStrictEqual([...played].sort(), there.sort())
        }
        assert.deepStrictEqual(words(taken(watcher, complete)), ["Ready"])
        for (const step of steps) {
          if (step === "tell") play()
          else if (step === "look") taken(watcher, anew, ...found(...real.values()), complete)
          else if ("gone" in step) {
            drop(step.gone.join("/"))
            taken(watcher, gone(step.gone.join("/")))
          } else {
            const path = step.path.join("/")
            const above = step.path.slice(0, -1).join("/")
            if (above !== "" && real.get(above)?.kind !== "directory") continue
            if (step.kind === "file") drop(path)
            real.set(path, entry(path, { kind: step.kind, size: step.size }))
            taken(watcher, ...found(entry(path, { kind: step.kind, size: step.size })))
          }
        }
        play()
        assert.isEmpty(watcher.tell())
      }),
    )
  })

  it("reports files before their removed folder, and after their created folder", () => {
    const watcher = watcherOf("/")
    taken(watcher, complete, ...found(entry("a/b"), folder("a"), entry("a/c")))
    assert.deepStrictEqual(words(watcher.tell()), ["Created /a", "Created /a/b", "Created /a/c"])
    taken(watcher, ...found(entry("a")))
    assert.deepStrictEqual(words(watcher.tell()), [
      "Removed /a/c",
      "Removed /a/b",
      "Removed /a",
      "Created /a",
    ])
  })

  it("reports the initial files as one event, and nothing during a scan", () => {
    const watcher = watcherOf()
    assert.isFalse(watcher.ready)
    assert.isEmpty(taken(watcher, ...found(entry("b"), entry("a"))))
    assert.isEmpty(watcher.tell())
    assert.deepStrictEqual(words(taken(watcher, complete)), ["Ready /w/a /w/b"])
    assert.isTrue(watcher.ready)
    taken(watcher, anew, ...found(entry("a")))
    assert.isEmpty(watcher.tell())
    taken(watcher, complete)
    assert.deepStrictEqual(words(watcher.tell()), ["Removed /w/b"])
  })

  it("reports a change of size, mode or time, and for folders only of mode", () => {
    const watcher = watcherOf()
    taken(watcher, ...found(entry("f"), folder("d")), complete)
    const changes = [{ size: 2 }, { size: 2, mode: 0o600 }, { modifiedAt: new Date(2000) }]
    for (const change of changes) {
      taken(watcher, ...found(entry("f", change), { ...folder("d"), ...change, mode: 0o644 }))
      assert.deepStrictEqual(words(watcher.tell()), ["Changed /w/f"])
    }
    taken(watcher, ...found({ ...folder("d"), mode: 0o700 }, entry("f", changes[2])))
    assert.deepStrictEqual(words(watcher.tell()), ["Changed /w/d"])
  })

  it("is limited by the number of files at one time", () => {
    const watcher = watcherOf("/w", 2)
    taken(watcher, ...found(entry("a"), entry("b")), complete)
    taken(watcher, gone("a"), ...found(entry("c"), entry("c")))
    assert.throws(() => taken(watcher, ...found(entry("d"))), /more than 2/)
  })
})
