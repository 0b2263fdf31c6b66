import { randomUUID } from "node:crypto"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { leaseStoreMemory } from "@cordon/core"
import { sqlite } from "@cordon/lease-store-sqlite"
import { afterAll, assert, describe, it } from "@effect/vitest"
import { Clock, Effect } from "effect"
import { TestClock } from "effect/testing"
import { makeSettableClock } from "../support/clocks.ts"
import { leaseStoreContract } from "./leases/index.ts"
import { older, opened } from "./leases/opened.ts"

leaseStoreContract("memory", {
  shared: false,
  test: (name, body) =>
    it.effect(name, () =>
      Effect.gen(function* () {
        const testClock = yield* Clock.Clock
        const { clock, jump } = yield* makeSettableClock
        yield* Effect.gen(function* () {
          const store = yield* opened(leaseStoreMemory)
          const pass = (ms: number) =>
            Effect.provideService(TestClock.adjust(ms), Clock.Clock, testClock)
          // It was not away, but its process may have been.
          yield* body({
            open: Effect.succeed(store),
            pass,
            jump: (ms) => (ms > 0 ? pass(ms) : jump(ms)),
          })
        }).pipe(Effect.provideService(Clock.Clock, clock))
      }),
    ),
})

const folder = mkdtempSync(join(tmpdir(), "cordon-sqlite-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

leaseStoreContract("SQLite", {
  shared: true,
  test: (name, body) =>
    it.live(name, () =>
      Effect.gen(function* () {
        const filename = join(folder, `${randomUUID()}.db`)
        const { clock, jump } = yield* makeSettableClock
        yield* body({
          open: Effect.provideService(opened(sqlite({ filename })), Clock.Clock, clock),
          pass: (ms) =>
            Effect.sync(() => {
              const database = new DatabaseSync(filename)
              for (const statement of older(ms)) database.exec(statement)
              database.close()
            }),
          jump,
        })
      }),
    ),
})

describe("SQLite", () => {
  it.live("a store says what stands in the way of its tables", () =>
    Effect.gen(function* () {
      const filename = join(folder, `${randomUUID()}.db`)
      const database = new DatabaseSync(filename)
      database.exec("CREATE TABLE cordon_leases (mine TEXT)")
      database.close()
      const error = yield* Effect.flip(opened(sqlite({ filename })))
      assert.strictEqual(error._tag, "LeaseStoreFailed")
      assert.match(error.message, /prepare its tables: .*already exists/)
    }),
  )

  it.live("a store says which file it could not open", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(opened(sqlite({ filename: "/nonexistent/leases.db" })))
      assert.strictEqual(error._tag, "LeaseStoreFailed")
      assert.match(error.message, /open \/nonexistent\/leases\.db: unable to open database file/)
    }),
  )
})
