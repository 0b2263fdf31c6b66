import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Stream } from "effect"
import { dockerEngine } from "../src/engine/calls.ts"
import { type EngineCall, engineClient, pathOf } from "../src/engine/EngineClient.ts"
import { refusalIn } from "../src/engine/failures.ts"

/** A way to an engine that notes the calls, and answers each with this. */
const engineWith = (answer: (call: EngineCall) => unknown, headers = {}) => {
  const calls: Array<EngineCall> = []
  const note = (call: EngineCall) => Effect.sync(() => void calls.push(call))
  const engine = dockerEngine(
    engineClient({
      endpoint: "test",
      call: (call) => Effect.map(note(call), () => answer(call)),
      head: (call) => Effect.as(note(call), headers),
      stream: (call) => Stream.drain(Stream.fromEffect(note(call))),
      upgrade: (call) =>
        Effect.andThen(note(call), Effect.fail(refusalIn(call.operation, 409, "it is paused"))),
    }),
  )
  const asked = () => calls.map((call) => `${call.method} ${pathOf(call)}`)
  return { engine, asked }
}

describe("the calls of an engine", () => {
  it.effect("encode names in the path so that no name leads elsewhere", () =>
    Effect.gen(function* () {
      const { engine, asked } = engineWith(() => ({}))
      yield* engine.imageRemove("127.0.0.1:5000/a/b:1")
      yield* engine.containerStart("../x?y")
      yield* engine.networkRemove("n")
      assert.deepStrictEqual(asked(), [
        "DELETE /images/127.0.0.1%3A5000%2Fa%2Fb%3A1",
        "POST /containers/..%2Fx%3Fy/start",
        "DELETE /networks/n",
      ])
    }),
  )

  it.effect("send filters and options as query parameters", () =>
    Effect.gen(function* () {
      const { engine, asked } = engineWith(() => [])
      yield* engine.containerList({ label: ["a=b"] })
      yield* engine.containerRemove("box")
      yield* Stream.runDrain(engine.imagePull("debian:12"))
      assert.deepStrictEqual(asked(), [
        "GET /containers/json?all=true&filters=%7B%22label%22%3A%5B%22a%3Db%22%5D%7D",
        "DELETE /containers/box?force=true&v=true",
        "POST /images/create?fromImage=debian%3A12",
      ])
    }),
  )

  it.effect("are repeatable when the engine reports that they had been done", () =>
    Effect.gen(function* () {
      const calls: Array<EngineCall> = []
      const { engine } = engineWith((call) => calls.push(call))
      yield* Effect.all([engine.containerStart("a"), engine.containerStop("a")])
      yield* Effect.all([engine.containerKill("a"), engine.containerRename("a", "b")])
      assert.deepStrictEqual(
        calls.map(({ idempotent, wasDone }) => [idempotent, wasDone]),
        [
          [true, "NotModified"],
          [true, "NotModified"],
          [true, "NotRunning"],
          [undefined, undefined],
        ],
      )
    }),
  )

  it.effect("fail with NotUnderstood when an answer has another shape", () =>
    Effect.gen(function* () {
      const { engine } = engineWith(() => ({ id: 1 }))
      const error = yield* Effect.flip(engine.containerInspect("box"))
      assert.strictEqual(error._tag, "EngineError")
      if (error._tag !== "EngineError") return
      assert.strictEqual(error.reason._tag, "NotUnderstood")
      assert.isUndefined(error.status)
      assert.include(error.message, "not what the Engine API documents")
    }),
  )

  it.effect("read the kind of a container's path from a header", () =>
    Effect.gen(function* () {
      const stat = Buffer.from(JSON.stringify({ mode: 0o644 })).toString("base64")
      const { engine } = engineWith(() => ({}), { "x-docker-container-path-stat": stat })
      assert.deepStrictEqual(
        yield* engine.containerPathStat("box", "/etc/passwd"),
        Option.some({ kind: "file" as const, target: "" }),
      )
    }),
  )

  it.effect("pass on the reason for a refused connection", () =>
    Effect.gen(function* () {
      const { engine } = engineWith(() => ({}))
      const error = yield* Effect.flip(Effect.scoped(engine.containerAttach("box")))
      assert.deepInclude(error, { _tag: "EngineError", reason: { _tag: "Paused" } })
    }),
  )
})
