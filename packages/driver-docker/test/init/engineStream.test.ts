import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { engineStream } from "../../src/init/engineStream.ts"
import { InitConnection } from "../../src/init/InitConnection.ts"
import { encode, hello } from "./fakeInit.ts"

/** An attachment of the engine's, and what it says. */
const attach = Effect.gen(function* () {
  const scope = yield* Scope.make()
  const state = { isClosed: false, wanted: true }
  yield* Scope.addFinalizer(
    scope,
    Effect.sync(() => {
      state.isClosed = true
    }),
  )
  let take = (_: Uint8Array): boolean => false
  const stream = engineStream(
    {
      receive: (taker) => {
        take = taker
        return { resume: () => {}, end: Effect.never }
      },
      write: () => Effect.void,
      end: Effect.void,
    },
    scope,
  )
  const say = (bytes: Uint8Array) => {
    state.wanted = take(bytes)
  }
  return { stream, state, say }
})

const framed = (stream: number, payload: Uint8Array) => {
  const header = Buffer.alloc(8)
  header[0] = stream
  header.writeUInt32BE(payload.length, 4)
  return Buffer.concat([header, payload])
}

describe("engineStream", () => {
  it.effect("reads the init's frames from the engine's stream, and ignores standard error", () =>
    Effect.gen(function* () {
      const { stream, say } = yield* attach
      const connection = yield* InitConnection.make(stream)
      const wire = encode(hello())
      say(framed(1, wire.subarray(0, 10)))
      say(framed(2, Buffer.from("a complaint")))
      say(framed(1, wire.subarray(10)))
      assert.strictEqual((yield* connection.hello).version, 1)
    }).pipe(Effect.scoped),
  )

  it.effect("fails and closes the attachment when the engine sends no valid frames", () =>
    Effect.gen(function* () {
      const { stream, state, say } = yield* attach
      const connection = yield* InitConnection.make(stream)
      say(Buffer.from("HTTP/1.1 500 Internal Server Error"))
      assert.isFalse(state.wanted)
      assert.deepInclude(yield* connection.lost, { _tag: "EngineError" })
      assert.isTrue(state.isClosed)
    }).pipe(Effect.scoped),
  )

  it.effect("closes the attachment with the connection", () =>
    Effect.gen(function* () {
      const { stream, state } = yield* attach
      const scope = yield* Scope.make()
      yield* Scope.provide(InitConnection.make(stream), scope)
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(state.isClosed)
    }),
  )
})
