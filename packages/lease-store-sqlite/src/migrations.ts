import { Effect } from "effect"
import { Migrator, SqlClient } from "effect/sql"

export const migrations = Migrator.fromRecord({
  "1_leases": Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`
      CREATE TABLE cordon_leases (
        host TEXT NOT NULL,
        id TEXT NOT NULL,
        session TEXT NOT NULL,
        instance_id TEXT NOT NULL,
        phase TEXT NOT NULL,
        token REAL NOT NULL,
        memory REAL NOT NULL,
        cpus REAL NOT NULL,
        disk REAL NOT NULL,
        idle_timeout REAL NOT NULL,
        remove_timeout REAL NOT NULL,
        last_used_at REAL NOT NULL,
        claimed_until REAL NOT NULL,
        PRIMARY KEY (host, id)
      ) WITHOUT ROWID`
    yield* sql`CREATE INDEX cordon_leases_session ON cordon_leases (session)`
    yield* sql`CREATE TABLE cordon_turns (host TEXT PRIMARY KEY, until REAL NOT NULL)`
    // The highest token of a lease that was deleted: a new one of the same ID begins above it.
    yield* sql`CREATE TABLE cordon_fence (token REAL NOT NULL)`
    yield* sql`INSERT INTO cordon_fence (token) VALUES (0)`
    yield* sql`
      CREATE TRIGGER cordon_leases_fence AFTER DELETE ON cordon_leases BEGIN
        UPDATE cordon_fence SET token = max(token, old.token);
      END`
  }),
  "2_store": Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`CREATE TABLE cordon_store (id TEXT NOT NULL)`
    yield* sql`INSERT INTO cordon_store (id) VALUES (lower(hex(randomblob(16))))`
  }),
  "3_clocks": Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    // Each host's time, and `seen_at`, the database's time of the host's last beat.
    yield* sql`
      CREATE TABLE cordon_clocks (
        host TEXT PRIMARY KEY,
        time REAL NOT NULL,
        seen_at REAL NOT NULL,
        step REAL NOT NULL,
        mark TEXT NOT NULL
      )`
  }),
})
