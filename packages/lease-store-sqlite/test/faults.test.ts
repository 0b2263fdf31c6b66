import {
  type Lease,
  LeaseStore,
  type LeaseStoreFailed,
  type NewLease,
  SandboxName,
  SessionId,
  sandboxId,
  sessionKey,
} from "@cordon/core"
import { layerSqlStore } from "@cordon/lease-store-sql"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, type Scope, Semaphore } from "effect"
import { Reactivity } from "effect/reactivity"
import { SqlClient, type SqlConnection, SqlError, Statement } from "effect/sql"
import { TestClock } from "effect/testing"
import { layerClient } from "../src/client.ts"
import { dialect } from "../src/dialect.ts"

const { ConnectionError, LockTimeoutError, UnknownError } = SqlError

const broken = new ConnectionError({ cause: undefined, message: "the connection broke" })
const busy = new LockTimeoutError({ cause: undefined, message: "the database is locked" })
const full = new UnknownError({ cause: undefined, message: "the disk is full" })
/** As PostgreSQL says it. */
const shutDown = new UnknownError({
  cause: Object.assign(new Error("terminating connection"), { code: "57P01" }),
})

/** What the database does instead of what a statement asks for, so many times. */
interface Fault {
  readonly statement: RegExp
  readonly reason: SqlError.SqlErrorReason
  readonly times?: number
  /** A transaction dies of it whose connection is gone: its rollback fails as well. */
  readonly dies?: boolean
}

/** A SQLite database that fails as it is told to. */
const makeFaulty = Effect.gen(function* () {
  const real = Context.get(yield* Layer.build(layerClient(":memory:")), SqlClient.SqlClient)
  const connection = yield* real.reserve
  let fault: Fault | undefined
  let failures = 0
  const faulty = <A>(statement: string, effect: Effect.Effect<A, SqlError.SqlError>) =>
    Effect.suspend((): Effect.Effect<A, SqlError.SqlError> => {
      if (fault === undefined || !fault.statement.test(statement)) return effect
      if (failures >= (fault.times ?? Number.POSITIVE_INFINITY)) return effect
      failures += 1
      const error = new SqlError.SqlError({ reason: fault.reason })
      return fault.dies ? Effect.die(error) : Effect.fail(error)
    })
  const faults: SqlConnection.Connection = {
    ...connection,
    execute: (sql, params, transform) => faulty(sql, connection.execute(sql, params, transform)),
    executeUnprepared: (sql, params, transform) =>
      faulty(sql, connection.executeUnprepared(sql, params, transform)),
  }
  const client = SqlClient.make({
    ...SqlClient.makeSqliteAcquirers({
      connection: Effect.succeed(faults),
      semaphore: yield* Semaphore.make(1),
    }),
    compiler: Statement.makeCompilerSqlite(),
    driver: "faulty",
    spanAttributes: [],
    beginTransaction: "BEGIN IMMEDIATE",
  })
  return {
    /** As a process opens it. */
    open: Effect.map(
      Layer.build(
        layerSqlStore(dialect).pipe(
          Layer.provide(Layer.effect(SqlClient.SqlClient, client)),
          Layer.provide(Reactivity.layer),
        ),
      ),
      (context) => Context.get(context, LeaseStore),
    ),
    fail: (next: Fault) =>
      Effect.sync(() => {
        fault = next
        failures = 0
      }),
    failures: () => failures,
    run: (statement: string) => connection.executeUnprepared(statement, [], undefined),
  }
})

/** What a call comes to within half a minute; its failure's message if it fails. */
const outcome = <A>(call: Effect.Effect<A, LeaseStoreFailed, Scope.Scope>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(
      Effect.match(call, { onSuccess: (result) => result, onFailure: ({ message }) => message }),
    )
    yield* TestClock.adjust("30 seconds")
    return yield* Fiber.join(fiber)
  })

const session = sessionKey(SessionId.make("s"))
const wanted: NewLease = {
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
}
const quotas = { session: { sandboxes: 5 } }

/** A store with one lease. */
const begin = Effect.gen(function* () {
  const faulty = yield* makeFaulty
  const store = yield* faulty.open
  const inserted = yield* store.insert(wanted)
  assert(inserted._tag === "Inserted")
  return { ...faulty, store, lease: inserted.lease }
})

type Store = LeaseStore["Service"]
const operations: ReadonlyArray<
  [string, (store: Store, lease: Lease) => Effect.Effect<unknown, LeaseStoreFailed>]
> = [
  ["beat", (store) => store.beat("host-1", { step: 1000, mark: "" })],
  ["get", (store, lease) => store.get(lease)],
  ["list", (store) => store.list("host-1")],
  ["renew", (store, lease) => store.renew(lease, lease.token)],
  ["change", (store, lease) => store.change(lease, lease.token, { phase: "idle" })],
  ["claimDue", (store) => store.claimDue("host-1", { claim: 1000, limit: 1 })],
  ["takeTurn", (store) => store.takeTurn("host-1", 1000)],
  ["delete", (store, lease) => store.delete(lease, lease.token)],
]
const statement = /cordon_(leases|clocks|turns)/

describe("a lease store whose database fails", () => {
  for (const [name, operation] of operations) {
    it.effect(`${name}: is retried when the database was unreachable or busy`, () =>
      Effect.gen(function* () {
        const { store, lease, fail, failures } = yield* begin
        for (const reason of [broken, busy, shutDown]) {
          yield* fail({ statement, reason, times: 3 })
          assert.notTypeOf(yield* outcome(operation(store, lease)), "string")
          assert.strictEqual(failures(), 3)
        }
      }),
    )

    it.effect(`${name}: fails at once with the database's message when it is impossible`, () =>
      Effect.gen(function* () {
        const { store, lease, fail, failures } = yield* begin
        yield* fail({ statement, reason: full })
        assert.match(String(yield* outcome(operation(store, lease))), /: the disk is full\b/)
        assert.strictEqual(failures(), 1)
      }),
    )
  }

  it.effect("is retried for some seconds, and not for ever", () =>
    Effect.gen(function* () {
      const { store, fail } = yield* begin
      yield* fail({ statement, reason: broken })
      const call = yield* Effect.forkChild(Effect.flip(store.list("host-1")))
      yield* TestClock.adjust("5 seconds")
      assert.isUndefined(call.pollUnsafe())
      yield* TestClock.adjust("5 seconds")
      assert.match((yield* Fiber.join(call)).message, /list the leases: the connection broke/)
    }),
  )

  it.effect("is retried at once, and then twice a second", () =>
    Effect.gen(function* () {
      const { store, fail, failures } = yield* begin
      yield* fail({ statement, reason: broken })
      yield* Effect.forkChild(Effect.exit(store.list("host-1")))
      yield* TestClock.adjust("100 millis")
      assert.isAtLeast(failures(), 3)
      yield* TestClock.adjust("3 seconds")
      const before = failures()
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual(failures() - before, 4)
    }),
  )

  it.effect("fails with a clear error when it holds a value that no version wrote", () =>
    Effect.gen(function* () {
      const { store, lease, run } = yield* begin
      yield* run("UPDATE cordon_leases SET phase = 'lent'")
      assert.match(
        String(yield* outcome(store.get(lease))),
        /it holds what no version of Cordon writes there/,
      )
    }),
  )

  it.effect("without a message fails with its cause's message, or the kind of failure", () =>
    Effect.gen(function* () {
      const { store, fail } = yield* begin
      yield* fail({ statement, reason: shutDown })
      assert.match(String(yield* outcome(store.list("host-1"))), /: terminating connection/)
      yield* fail({ statement, reason: new UnknownError({ cause: "a secret" }) })
      assert.match(String(yield* outcome(store.list("host-1"))), /: UnknownError/)
    }),
  )
})

describe("inserting a lease", () => {
  const another = { ...wanted, id: sandboxId(session, SandboxName.make("b")) }

  for (const [name, limits] of [["without quotas"], ["within quotas", quotas]] as const) {
    it.effect(`${name} is retried when the database was busy`, () =>
      Effect.gen(function* () {
        const { store, fail, failures } = yield* begin
        yield* fail({ statement: /INSERT INTO cordon_leases/, reason: busy, times: 3 })
        assert.propertyVal(yield* outcome(store.insert(another, limits)), "_tag", "Inserted")
        assert.strictEqual(failures(), 3)
      }),
    )

    it.effect(`${name} is not retried when it may have been done`, () =>
      Effect.gen(function* () {
        const { store, fail, failures } = yield* begin
        yield* fail({ statement: /INSERT INTO cordon_leases/, reason: broken, times: 1 })
        assert.match(
          String(yield* outcome(store.insert(another, limits))),
          /begin a lease: the connection broke/,
        )
        assert.strictEqual(failures(), 1)
      }),
    )
  }

  it.effect(
    "is retried when its transaction was interrupted, and fails with the reason in the end",
    () =>
      Effect.gen(function* () {
        const { store, fail } = yield* begin
        const fault = { statement: /INSERT INTO cordon_leases/, reason: broken, dies: true }
        yield* fail({ ...fault, times: 3 })
        assert.propertyVal(yield* outcome(store.insert(another, quotas)), "_tag", "Inserted")
        yield* fail({ ...fault, statement: /SELECT/ })
        assert.match(
          String(yield* outcome(store.insert(another, quotas))),
          /begin a lease: the connection broke/,
        )
      }),
  )

  it.effect("takes no transaction lock when there is no quota", () =>
    Effect.gen(function* () {
      const { store, fail } = yield* begin
      yield* fail({ statement: /BEGIN/, reason: full })
      const limits = { session: {}, host: {} }
      assert.propertyVal(yield* outcome(store.insert(another, limits)), "_tag", "Inserted")
      for (const limits of [quotas, { host: { memory: 9 } }]) {
        assert.match(String(yield* outcome(store.insert(another, limits))), /the disk is full/)
      }
    }),
  )
})

describe("the tables of a lease store", () => {
  it.effect("are created once the database is reachable", () =>
    Effect.gen(function* () {
      const faults: ReadonlyArray<Fault> = [
        { statement: /cordon_migrations/, reason: broken },
        { statement: /cordon_migrations/, reason: broken, dies: true },
        { statement: /TABLE cordon_turns/, reason: shutDown },
        { statement: /FROM cordon_store/, reason: broken },
      ]
      for (const fault of faults) {
        const { open, fail, failures } = yield* makeFaulty
        yield* fail({ ...fault, times: 3 })
        const store = yield* outcome(open)
        assert.isObject(store)
        assert.strictEqual(failures(), 3)
      }
    }),
  )

  it.effect("fail the store at once when they can't be created", () =>
    Effect.gen(function* () {
      const faults: ReadonlyArray<[RegExp, RegExp]> = [
        [/cordon_migrations/, /prepare its tables: the disk is full/],
        [/TABLE cordon_turns/, /prepare its tables: Migration "1_leases" failed: the disk is full/],
        [/FROM cordon_store/, /read its ID: the disk is full/],
      ]
      for (const [statement, message] of faults) {
        const { open, fail, failures } = yield* makeFaulty
        yield* fail({ statement, reason: full })
        assert.match(String(yield* outcome(open)), message)
        assert.strictEqual(failures(), 1)
      }
    }),
  )
})
