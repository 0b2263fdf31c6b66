import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { mkdtempSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import {
  LeaseStore,
  LeaseStoreFailed,
  leaseStoreMemory,
  SandboxName,
  SessionId,
  sandboxId,
  sessionKey,
} from "@cordon/core"
import { layerConfig, postgres } from "@cordon/lease-store-postgres"
import { sqlite } from "@cordon/lease-store-sqlite"
import { PgClient } from "@effect/sql-pg"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import {
  Cause,
  Clock,
  Config,
  ConfigProvider,
  Context,
  Deferred,
  Effect,
  Fiber,
  Layer,
  Redacted,
  Schedule,
  type Scope,
} from "effect"
import type { SqlError } from "effect/sql"
import { TestClock } from "effect/testing"
import { makeSettableClock } from "../support/clocks.ts"
import { noPostgres, type Postgres, startPostgres } from "../support/postgres.ts"
import { skipped } from "../support/skipped.ts"
import { type Harness, leaseStoreContract } from "./leaseStoreContract.ts"

/** Builds a layer anew, as another process would. */
const opened = (
  layer: Layer.Layer<LeaseStore, LeaseStoreFailed>,
): Effect.Effect<LeaseStore["Service"], LeaseStoreFailed, Scope.Scope> =>
  Effect.map(Layer.build(Layer.fresh(layer)), (context) => Context.get(context, LeaseStore))

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

// A database's clock can't be turned: what it dated is made older.
const older = (ms: number) => [
  `UPDATE cordon_leases SET last_used_at = last_used_at - ${ms},
    claimed_until = claimed_until - ${ms}`,
  `UPDATE cordon_turns SET until = until - ${ms}`,
]

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
  it.live("says what stands in the way of its tables", () =>
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

  it.live("says where it could not open a file", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(opened(sqlite({ filename: "/nonexistent/leases.db" })))
      assert.strictEqual(error._tag, "LeaseStoreFailed")
      assert.match(error.message, /open \/nonexistent\/leases\.db: unable to open database file/)
    }),
  )
})

describe("a database that takes connections and says nothing", () => {
  it.effect("is given up within some seconds", () =>
    Effect.gen(function* () {
      const mute = createServer(() => {}).listen(0, "127.0.0.1")
      yield* Effect.addFinalizer(() => Effect.sync(() => mute.close()))
      yield* Effect.promise(() => once(mute, "listening"))
      const address = mute.address()
      assert(typeof address === "object" && address !== null)
      const url = `postgres://user:secret@127.0.0.1:${address.port}/leases`
      const opening = yield* Effect.forkChild(Effect.flip(opened(postgres({ url }))))
      for (let seconds = 0; seconds < 30 && opening.pollUnsafe() === undefined; seconds += 1) {
        yield* Effect.promise(() => new Promise((resolve) => setImmediate(resolve)))
        yield* TestClock.adjust("1 second")
      }
      const error = opening.pollUnsafe()
      assert.include(`${error}`, "did not answer within 15s")
    }),
  )
})

let server: Postgres | undefined
const serverNow = Effect.suspend(() =>
  server === undefined
    ? Effect.die(new Error("PostgreSQL is not running"))
    : Effect.succeed(server),
)
beforeAll(async () => {
  if (noPostgres === undefined) server = await startPostgres()
})
afterAll(() => server?.[Symbol.asyncDispose]())

const onPostgres: Harness["test"] = (name, body) =>
  noPostgres === undefined
    ? it.live(name, () =>
        Effect.gen(function* () {
          const { createDatabase } = yield* serverNow
          const url = yield* Effect.promise(createDatabase)
          const client = yield* Layer.build(PgClient.layer({ url: Redacted.make(url) }))
          const sql = Context.get(client, PgClient.PgClient)
          const each = (statements: ReadonlyArray<string>) =>
            Effect.orDie(
              Effect.forEach(statements, (statement) => sql.unsafe(statement), { discard: true }),
            )
          yield* body({
            open: opened(postgres({ url })),
            pass: (ms) => each(older(ms)),
            // Its clock stands in these rows only.
            jump: (ms) => each([`UPDATE cordon_clocks SET seen_at = seen_at - ${ms}`]),
          })
        }),
      )
    : skipped(name, noPostgres)

leaseStoreContract("PostgreSQL", { shared: true, test: onPostgres })

describe("PostgreSQL", () => {
  /** A store, and a way to break its connections while they wait for one who holds all quotas. */
  const interrupted = (
    name: string,
    body: (stage: {
      readonly store: LeaseStore["Service"]
      readonly breakAll: Effect.Effect<void>
      /** Lets go of the quotas. */
      readonly letGo: Effect.Effect<unknown>
    }) => Effect.Effect<void, LeaseStoreFailed, Scope.Scope>,
  ) =>
    noPostgres === undefined
      ? it.live(name, () =>
          Effect.gen(function* () {
            const url = yield* Effect.promise((yield* serverNow).createDatabase)
            const store = yield* opened(postgres({ url }))
            const client = yield* Layer.build(PgClient.layer({ url: Redacted.make(url) }))
            const sql = Context.get(client, PgClient.PgClient)
            const held = yield* Deferred.make<void>()
            const done = yield* Deferred.make<void>()
            yield* sql`SELECT pg_advisory_xact_lock(${sql.literal(String(0x636f7264))})`.pipe(
              Effect.andThen(Deferred.succeed(held, undefined)),
              Effect.andThen(Deferred.await(done)),
              sql.withTransaction,
              Effect.forkScoped,
            )
            yield* Deferred.await(held)
            const waiting = sql`SELECT pid FROM pg_stat_activity
              WHERE application_name = 'cordon' AND wait_event = 'advisory'`
            const breakAll = waiting.pipe(
              Effect.repeat({
                schedule: Schedule.spaced("50 millis"),
                until: (rows) => rows.length > 0,
              }),
              Effect.andThen(sql`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE application_name = 'cordon' AND datname = current_database()`),
              Effect.asVoid,
              Effect.orDie,
            )
            yield* body({ store, breakAll, letGo: Deferred.succeed(done, undefined) })
          }),
        )
      : skipped(name, noPostgres)

  const session = sessionKey(SessionId.make("s"))
  const wanted = {
    host: "host-1",
    id: sandboxId(session, SandboxName.make("a")),
    session,
    instanceId: "instance-1",
    phase: "active",
    memory: 1,
    cpus: 1,
    disk: 0,
    idleTimeout: 60_000,
    removeTimeout: 60_000,
  } as const

  interrupted("begins a lease once more whose connection broke before it", ({ store, ...stage }) =>
    Effect.gen(function* () {
      const begun = yield* Effect.forkScoped(store.insert(wanted, { session: { sandboxes: 1 } }))
      yield* stage.breakAll
      yield* stage.letGo
      assert.strictEqual((yield* Fiber.join(begun))._tag, "Inserted")
    }),
  )

  interrupted("says that it failed where its connections go on breaking", ({ store, breakAll }) =>
    Effect.gen(function* () {
      yield* Effect.forkScoped(Effect.forever(breakAll))
      const failure = yield* Effect.exit(store.insert(wanted, { session: { sandboxes: 1 } }))
      assert(failure._tag === "Failure")
      assert.strictEqual(Cause.squash(failure.cause)?.constructor, LeaseStoreFailed)
    }),
  )

  onPostgres("goes on after its server was restarted", ({ open }) =>
    Effect.gen(function* () {
      const store = yield* open
      const { restart } = yield* serverNow
      const working = yield* Effect.forkScoped(
        Effect.forEach(
          Array.from({ length: 40 }),
          () => Effect.andThen(store.list("host-1"), Effect.sleep("50 millis")),
          { discard: true },
        ),
      )
      yield* Effect.promise(restart)
      yield* Fiber.join(working)
      assert.deepStrictEqual(yield* store.list("host-1"), [])
      assert.isTrue(yield* store.takeTurn("host-1", 1000))
    }),
  )

  /** A store, and a client of the same database to look behind it. */
  const watched = (
    name: string,
    body: (
      store: LeaseStore["Service"],
      sql: PgClient.PgClient,
    ) => Effect.Effect<void, LeaseStoreFailed | SqlError.SqlError, Scope.Scope>,
  ) =>
    noPostgres === undefined
      ? it.live(name, () =>
          Effect.gen(function* () {
            const url = yield* Effect.promise((yield* serverNow).createDatabase)
            const client = yield* Layer.build(PgClient.layer({ url: Redacted.make(url) }))
            yield* body(yield* opened(postgres({ url })), Context.get(client, PgClient.PgClient))
          }),
        )
      : skipped(name, noPostgres)

  watched("claims what nobody else holds, and waits for no other claim", (store, sql) =>
    Effect.gen(function* () {
      for (const name of ["a", "b"]) {
        const id = sandboxId(session, SandboxName.make(name))
        yield* store.insert({ ...wanted, id, phase: "removing" })
      }
      // As another worker's claim does until it is committed.
      const other = yield* sql.reserve
      yield* other.executeRaw("BEGIN", [])
      const first = "SELECT id FROM cordon_leases ORDER BY id LIMIT 1 FOR UPDATE"
      const [held] = yield* other.execute(first, [], undefined)
      const waiting = sql`SELECT pid FROM pg_stat_activity
        WHERE application_name = 'cordon' AND datname = current_database()
          AND wait_event_type = 'Lock'`.pipe(
        Effect.repeat({
          schedule: Schedule.spaced("50 millis"),
          until: (rows) => rows.length > 0,
        }),
        Effect.as("it waits"),
      )
      const claim = store.claimDue("host-1", { claim: 60_000, limit: 10 })
      const claimed = yield* Effect.raceFirst(claim, waiting)
      yield* other.executeRaw("ROLLBACK", [])
      assert(typeof claimed !== "string", "the claim waits for another one")
      assert.strictEqual(claimed.length, 1)
      assert.notStrictEqual(claimed[0]?.id, held?.["id"])
    }),
  )

  watched(
    "finds the leases of a session by an index, as each of its quotas asks for them",
    (_, sql) =>
      Effect.gen(function* () {
        const plan = yield* sql`SET LOCAL enable_seqscan = off`.pipe(
          Effect.andThen(sql`EXPLAIN SELECT memory FROM cordon_leases WHERE session = 's'`),
          sql.withTransaction,
        )
        assert.include(JSON.stringify(plan), "cordon_leases_session")
      }),
  )

  const reached =
    "is reached by a URL or by the parts of one, with a password that is hidden or not"
  if (noPostgres !== undefined) skipped(reached, noPostgres)
  else {
    it.live(reached, () =>
      Effect.gen(function* () {
        const url = yield* Effect.promise((yield* serverNow).createDatabase)
        const { hostname: host, port, username, password, pathname } = new URL(url)
        const database = pathname.slice(1)
        const parts = { host, port: Number(port), username, database }
        const stores = [
          postgres({ url }),
          postgres({ url: Redacted.make(url) }),
          postgres({ ...parts, password }),
          postgres({ ...parts, password: Redacted.make(password) }),
          postgres({
            url: `postgres://nobody:wrong@${host}:${port}/${database}`,
            username,
            password,
          }),
          layerConfig({ url: Config.Redacted("LEASES") }).pipe(
            Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({ LEASES: url }))),
            Layer.orDie,
          ),
        ]
        const ids = yield* Effect.forEach(stores, (store) =>
          Effect.map(Effect.scoped(opened(store)), ({ id }) => id),
        )
        assert.strictEqual(new Set(ids).size, 1)
        assert.strictEqual(ids.length, stores.length)
      }),
    )
  }

  it.live("tells why it could not connect, and no password", () =>
    Effect.gen(function* () {
      const url = "postgres://cordon:a-secret-word@127.0.0.1:1/none"
      const error = yield* Effect.flip(opened(postgres({ url })))
      assert.strictEqual(error._tag, "LeaseStoreFailed")
      assert.notInclude(error.message, "a-secret-word")
    }),
  )
})
