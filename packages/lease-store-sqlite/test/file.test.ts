import { existsSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { LeaseStore } from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Context, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import { layerConfig, sqlite } from "../src/index.ts"

const makeFilename = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "cordon-sqlite-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true, force: true })),
  ),
  (folder) => join(folder, "leases.db"),
)

const opened = <E>(layer: Layer.Layer<LeaseStore, E>) =>
  Effect.map(Layer.build(Layer.fresh(layer)), (context) => Context.get(context, LeaseStore))

describe("a SQLite file of leases", () => {
  it.effect("delays a write until another program's transaction ends", () =>
    Effect.gen(function* () {
      const filename = yield* makeFilename
      const store = yield* opened(sqlite({ filename }))
      const other = new DatabaseSync(filename)
      other.exec("BEGIN IMMEDIATE")
      const turn = yield* Effect.forkChild(store.takeTurn("host-1", 1000))
      yield* TestClock.adjust("1 second")
      assert.isUndefined(turn.pollUnsafe())
      other.exec("COMMIT")
      other.close()
      yield* TestClock.adjust("1 second")
      assert.isTrue(yield* Fiber.join(turn))
    }),
  )

  it.effect("leaves no WAL file once its store is closed", () =>
    Effect.gen(function* () {
      const filename = yield* makeFilename
      const wal = () => existsSync(`${filename}-wal`)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* (yield* opened(sqlite({ filename }))).takeTurn("host-1", 1000)
          assert.isTrue(wal())
        }),
      )
      assert.isFalse(wal())
      assert.isTrue(existsSync(filename))
    }),
  )

  it.effect("is configurable by the program's Config", () =>
    Effect.gen(function* () {
      const filename = yield* makeFilename
      const options = { filename: Config.String("LEASES") }
      const store = yield* opened(layerConfig(options)).pipe(
        Effect.provideService(
          ConfigProvider.ConfigProvider,
          ConfigProvider.fromUnknown({ LEASES: filename }),
        ),
      )
      assert.isTrue(yield* store.takeTurn("host-1", 1000))
      assert.isTrue(existsSync(filename))
    }),
  )
})
