import { type Sandbox, SandboxDriver, Sandboxes } from "@cordon/core"
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { tagOf } from "../../support/effects.ts"
import { freshSession } from "../../support/sandbox.ts"
import type { FeatureStage } from "./stage.ts"

/** Snapshots, on every driver that has them. */
export const snapshotsContract = ({ check, image, lacks }: FeatureStage) => {
  describe("snapshots", () => {
    const sourceOptions = {
      name: "source",
      workdir: "/work",
      env: { A: "kept" },
      tags: { of: "source" },
    }

    check(
      "a snapshot keeps files, makes any number of sandboxes, and is its session's alone",
      () =>
        Effect.gen(function* () {
          const session = yield* freshSession
          const source = yield* Sandboxes.scoped(session, sourceOptions)
          yield* Effect.addFinalizer(() => Effect.ignore(session.snapshots.remove("first")))
          yield* source.files.write("state", "before", { mode: 0o750 })
          const taken = yield* source.snapshot("first")
          assert.deepStrictEqual([taken.name, taken.sandbox], ["first", "source"])
          assert.isAbove(taken.size, 0)
          assert.strictEqual((yield* source.run("echo goes on")).stdout, "goes on\n")
          yield* source.files.write("state", "after")
          assert.deepStrictEqual(yield* session.snapshots.list, [taken])
          assert.strictEqual(yield* tagOf(source.snapshot("first")), "SnapshotNameTaken")
          const [one, two] = yield* Effect.all([
            Sandboxes.scoped(session, { snapshot: "first" }),
            Sandboxes.scoped(session, { snapshot: "first", limits: { memory: "128MiB" } }),
          ])
          for (const fork of [one, two]) {
            assert.strictEqual(yield* fork.files.readText("/work/state"), "before")
            assert.strictEqual((yield* fork.files.stat("/work/state")).mode, 0o750)
            assert.isUndefined(fork.info.tags)
            assert.strictEqual((yield* fork.run("pwd; echo $A")).stdout, "/work\nkept\n")
          }
          yield* one.files.write("/work/state", "of one")
          assert.strictEqual(yield* two.files.readText("/work/state"), "before")
          assert.strictEqual(yield* source.files.readText("state"), "after")
          assert.lengthOf(yield* session.list, 3)

          const stranger = yield* freshSession
          assert.deepStrictEqual(yield* stranger.snapshots.list, [])
          const theirs = { snapshot: "first" }
          assert.strictEqual(yield* tagOf(stranger.create(theirs)), "SnapshotNotFound")
          const named = stranger.create({ image: taken.image })
          assert.strictEqual(yield* tagOf(named), "ImageNotFound")
          const removal = stranger.snapshots.remove("first")
          assert.strictEqual(yield* tagOf(removal), "SnapshotNotFound")

          const remove = session.snapshots.remove("first")
          assert.strictEqual(yield* tagOf(remove), "SnapshotInUse")
          for (const fork of [one, two, source]) yield* fork.remove
          yield* remove
          assert.deepStrictEqual(yield* session.snapshots.list, [])
          assert.strictEqual(yield* tagOf(remove), "SnapshotNotFound")
          const gone = session.create({ snapshot: "first" })
          assert.strictEqual(yield* tagOf(gone), "SnapshotNotFound")
          const both = session.create({ snapshot: "first", image })
          assert.strictEqual(yield* tagOf(both), "InvalidInput")
        }),
      lacks.snapshots,
    )

    check(
      "a fork leaves no snapshot behind, and outlives its source",
      () =>
        Effect.gen(function* () {
          const driver = yield* SandboxDriver
          const session = yield* freshSession
          const source = yield* Sandboxes.scoped(session, {
            ...sourceOptions,
            secrets: { TOKEN: "given" },
            limits: { memory: "128MiB" },
          })
          const forked = (of: Sandbox, options?: Parameters<Sandbox["fork"]>[0]) =>
            Effect.acquireRelease(of.fork(options), ({ remove }) => Effect.ignore(remove))
          yield* source.files.write("state", "before")
          const fork = yield* forked(source, { name: "fork", tags: { of: "fork" } })
          assert.strictEqual((yield* fork.run("pwd; echo $A $TOKEN")).stdout, "/work\nkept given\n")
          const { limits, network, runtime } = source.info
          assert.deepInclude(fork.info, { limits, network, runtime, tags: { of: "fork" } })
          yield* fork.files.write("state", "of the fork")
          assert.strictEqual(yield* source.files.readText("state"), "before")
          assert.deepStrictEqual(yield* session.snapshots.list, [])
          // A fork of a fork outlives it, and what is kept of one is the session's own again.
          const second = yield* forked(fork)
          yield* fork.snapshot("kept")
          yield* Effect.addFinalizer(() => Effect.ignore(session.snapshots.remove("kept")))
          yield* fork.remove
          assert.strictEqual(yield* second.files.readText("state"), "of the fork")
          assert.isUndefined(second.info.tags)
          assert.deepStrictEqual(
            (yield* session.snapshots.list).map(({ name }) => String(name)),
            ["kept"],
          )
          assert.strictEqual(yield* tagOf(source.fork({ name: "source" })), "SandboxNameTaken")
          yield* second.remove
          yield* session.snapshots.remove("kept")
          // With what a sweep would find in a while: nothing is left.
          const key = source.info.session
          const others = yield* driver.snapshots(key, true)
          assert.deepStrictEqual(others, [])
        }),
      lacks.snapshots,
    )
  })
}
