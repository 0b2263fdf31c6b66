import { Effect } from "effect"
import { Migrator, SqlClient } from "effect/sql"

export const migrations = Migrator.fromRecord({
  "1_leases": Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`CREATE SEQUENCE cordon_lease_token`
    yield* sql`
      CREATE TABLE cordon_leases (
        host text NOT NULL,
        id text NOT NULL,
        session text NOT NULL,
        instance_id text NOT NULL,
        phase text NOT NULL,
        token double precision NOT NULL,
        memory double precision NOT NULL,
        cpus double precision NOT NULL,
        disk double precision NOT NULL,
        idle_timeout double precision NOT NULL,
        remove_timeout double precision NOT NULL,
        last_used_at double precision NOT NULL,
        claimed_until double precision NOT NULL,
        PRIMARY KEY (host, id)
      )`
    yield* sql`CREATE INDEX cordon_leases_session ON cordon_leases (session)`
    yield* sql`CREATE TABLE cordon_turns (host text PRIMARY KEY, until double precision NOT NULL)`
  }),
  "2_store": Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql`CREATE TABLE cordon_store (id text NOT NULL)`
    yield* sql`INSERT INTO cordon_store (id) VALUES (gen_random_uuid()::text)`
  }),
  "3_clocks": Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    // Each host's time, and `seen_at`, the database's time of the host's last beat.
    yield* sql`
      CREATE TABLE cordon_clocks (
        host text PRIMARY KEY,
        time double precision NOT NULL,
        seen_at double precision NOT NULL,
        step double precision NOT NULL,
        mark text NOT NULL
      )`
  }),
})
