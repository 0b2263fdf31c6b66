import { once } from "node:events"
import { createServer } from "node:net"
import {
  type LeaseStore,
  LeaseStoreFailed,
  SandboxName,
  SessionId,
  sandboxId,
  sessionKey,
} from "@cordon/core"
import { layerConfig, postgres } from "@cordon/lease-store-postgres"
import { PgClient } from "@effect/sql-pg"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import {
  Cause,
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
import { noPostgres, type Postgres, startPostgres } from "../support/postgres.ts"
import { skipped } from "../support/skipped.ts"
import { leaseStoreContract } from "./leases/index.ts"
import { older, opened } from "./leases/opened.ts"
import type { Harness } from "./leases/stage.ts"

describe("a database that takes connections and says nothing", () => {
  it.effect("opening a store on it fails within some seconds", () =>
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

  interrupted("insert is tried once more when its connection broke", ({ store, ...stage }) =>
    Effect.gen(function* () {
      const begun = yield* Effect.forkScoped(store.insert(wanted, { session: { sandboxes: 1 } }))
      yield* stage.breakAll
      yield* stage.letGo
      assert.strictEqual((yield* Fiber.join(begun))._tag, "Inserted")
    }),
  )

  interrupted(
    "insert fails with LeaseStoreFailed when its connections go on breaking",
    ({ store, breakAll }) =>
      Effect.gen(function* () {
        yield* Effect.forkScoped(Effect.forever(breakAll))
        const failure = yield* Effect.exit(store.insert(wanted, { session: { sandboxes: 1 } }))
        assert(failure._tag === "Failure")
        assert.strictEqual(Cause.squash(failure.cause)?.constructor, LeaseStoreFailed)
      }),
  )

  onPostgres("a store goes on after its server was restarted", ({ open }) =>
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

  watched("claimDue gives out what nobody else holds, and waits for no other claim", (store, sql) =>
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

  watched("the leases of a session are found by an index", (_, sql) =>
    Effect.gen(function* () {
      const plan = yield* sql`SET LOCAL enable_seqscan = off`.pipe(
        Effect.andThen(sql`EXPLAIN SELECT memory FROM cordon_leases WHERE session = 's'`),
        sql.withTransaction,
      )
      assert.include(JSON.stringify(plan), "cordon_leases_session")
    }),
  )

  const reached =
    "a store is opened by a URL or by its parts, with a password that is redacted or not"
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

  it.live("a store says why it could not connect, without the password", () =>
    Effect.gen(function* () {
      const url = "postgres://cordon:a-secret-word@127.0.0.1:1/none"
      const error = yield* Effect.flip(opened(postgres({ url })))
      assert.strictEqual(error._tag, "LeaseStoreFailed")
      assert.notInclude(error.message, "a-secret-word")
    }),
  )
})
