import { assert, describe, it } from "@effect/vitest"
import { Effect, Queue } from "effect"
import { TestClock } from "effect/testing"
import { makeOpening } from "../../src/container/opening.ts"
import { dockerEngine } from "../../src/engine/calls.ts"
import { engineClient } from "../../src/engine/EngineClient.ts"
import { refusalIn } from "../../src/engine/failures.ts"
import { encode, hello } from "../init/fakeInit.ts"

/** Bytes as the engine frames what a command writes to its standard output. */
const output = (bytes: Uint8Array): Buffer => {
  const header = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0])
  header.writeUInt32BE(bytes.length, 4)
  return Buffer.concat([header, bytes])
}

const regularFile = Buffer.from(JSON.stringify({ mode: 0o644 })).toString("base64")

/** An engine whose helpers write these bytes, one after the other; a string is its refusal of one. */
const engineWhoseHelpersSay = (said: ReadonlyArray<Uint8Array | string>) => {
  let helpers = 0
  const engine = dockerEngine(
    engineClient({
      endpoint: "test",
      call: (call) =>
        Effect.suspend(() => {
          const next = said[helpers++] ?? "no more"
          return typeof next === "string"
            ? Effect.fail(refusalIn(call.operation, 409, next))
            : Effect.succeed({ Id: String(helpers - 1) })
        }),
      head: () => Effect.succeed({ "x-docker-container-path-stat": regularFile }),
      stream: () => assert.fail("no streamed call is expected"),
      upgrade: () =>
        Effect.succeed({
          receive: (take) => {
            const bytes = said[helpers - 1]
            if (typeof bytes === "object") take(output(bytes))
            return { resume: () => {}, end: Effect.never }
          },
          write: () => Effect.void,
          end: Effect.void,
        }),
    }),
  )
  return { engine, helpers: () => helpers }
}

/** Connects through helpers, and lets the pauses between them pass. */
const connecting = (said: ReadonlyArray<Uint8Array | string>) =>
  Effect.gen(function* () {
    const { engine, helpers } = engineWhoseHelpersSay(said)
    const { byHelper } = yield* makeOpening(engine)
    const done = yield* Queue.unbounded<string>()
    yield* Effect.forkScoped(
      Effect.scoped(byHelper("box")).pipe(
        Effect.match({
          onSuccess: () => "connected",
          onFailure: (error) =>
            error._tag === "EngineError" ? error.reason._tag : `${error._tag}: ${error.message}`,
        }),
        Effect.flatMap((result) => Queue.offer(done, result)),
      ),
    )
    yield* TestClock.adjust("1 second")
    return { result: yield* Queue.take(done), helpers: helpers() }
  }).pipe(Effect.scoped)

const greeting = encode(hello())
const refused = Buffer.from(
  "OCI runtime exec failed: exec failed: cannot exec in a stopped container\r\n",
)

describe("a connection through a helper", () => {
  it.effect("is there with the init's greeting", () =>
    Effect.gen(function* () {
      const { result, helpers } = yield* connecting([greeting])
      assert.deepStrictEqual([result, helpers], ["connected", 1])
    }),
  )

  it.effect("says that the container ended when the engine notices only at the second helper", () =>
    Effect.gen(function* () {
      const { result } = yield* connecting([refused, "Container box is not running"])
      assert.strictEqual(result, "NotRunning")
    }),
  )

  it.effect("is there with a second helper when the first could not be started", () =>
    Effect.gen(function* () {
      const { result, helpers } = yield* connecting([refused, greeting])
      assert.deepStrictEqual([result, helpers], ["connected", 2])
    }),
  )

  it.effect("fails with the runtime's words when no helper can be started", () =>
    Effect.gen(function* () {
      const { result, helpers } = yield* connecting([refused, refused, refused, refused])
      assert.match(result, /EngineUnreachable: .*"OCI runtime exec failed: .* stopped container"/)
      assert.strictEqual(helpers, 3)
    }),
  )

  it.effect("is not tried again with an init of another version", () =>
    Effect.gen(function* () {
      const { result, helpers } = yield* connecting([encode(hello(2)), greeting])
      assert.match(result, /EngineUnreachable: .*version 2/)
      assert.strictEqual(helpers, 1)
    }),
  )
})
