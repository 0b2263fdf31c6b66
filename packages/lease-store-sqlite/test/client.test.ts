import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Stream, Tracer } from "effect"
import { SqlClient } from "effect/sql"
import { layerClient } from "../src/client.ts"

const makeClient = Effect.map(Layer.build(layerClient(":memory:")), (context) =>
  Context.get(context, SqlClient.SqlClient),
)

describe("the SQLite client for Effect", () => {
  it.effect("returns rows by name, as values and as a stream", () =>
    Effect.gen(function* () {
      const sql = yield* makeClient
      const select = sql`SELECT ${"x"} AS a, ${2} AS b, ${null} AS c UNION ALL SELECT 'y', 3, 4`
      const rows = [
        { a: "x", b: 2, c: null },
        { a: "y", b: 3, c: 4 },
      ]
      const plain = (row: object) => ({ ...row })
      assert.deepStrictEqual((yield* select).map(plain), rows)
      assert.deepStrictEqual((yield* Stream.runCollect(select.stream)).map(plain), rows)
      const values = [
        ["x", 2, null],
        ["y", 3, 4],
      ]
      assert.deepStrictEqual(yield* select.values, values)
      assert.deepStrictEqual(yield* select.valuesUnprepared, values)
    }),
  )

  it.effect("names the type of a parameter that it does not accept", () =>
    Effect.gen(function* () {
      const sql = yield* makeClient
      for (const [param, kind] of [
        [true, "boolean"],
        [1n, "bigint"],
        [new Uint8Array(1), "object"],
      ] as const) {
        const { cause } = (yield* Effect.flip(sql`SELECT ${param}`)).reason
        assert.match(String(cause), new RegExp(`SQLite takes no ${kind} here`))
      }
    }),
  )

  it.effect("is named in traces", () =>
    Effect.gen(function* () {
      const spans: Array<Tracer.Span> = []
      const tracer = Tracer.make({
        span: (options) => {
          const span = new Tracer.NativeSpan(options)
          spans.push(span)
          return span
        },
      })
      const sql = yield* makeClient
      yield* Effect.provideService(sql`SELECT 1`, Tracer.Tracer, tracer)
      assert.deepStrictEqual(
        spans.map((span) => span.attributes.get("db.system.name")),
        ["sqlite"],
      )
    }),
  )
})
