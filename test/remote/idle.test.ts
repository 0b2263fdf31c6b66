import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { DockerEngine } from "@cordon/driver-docker"
import { layerEngine } from "@cordon/driver-docker-remote"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, type Scope } from "effect"
import { TestClock } from "effect/testing"

interface Request {
  readonly line: string
  /** Which of the connections it came over, counted from 1. */
  readonly connection: number
}

/** Answers a request, or says nothing. */
type Answer = (
  request: Request,
  nth: number,
) => readonly [status: number, body?: unknown] | undefined

/** An engine that notes what it is asked, and by which connection. */
const engineThat = (
  answer: Answer,
): Effect.Effect<{ readonly host: string; readonly seen: Array<Request> }, never, Scope.Scope> =>
  Effect.gen(function* () {
    const seen: Array<Request> = []
    const connections = new Map<Socket, number>()
    const respond = (request: IncomingMessage, response: ServerResponse) => {
      response.setHeader("Api-Version", "1.41")
      if (request.url === "/_ping") {
        response.end("OK")
        return
      }
      const connection = connections.get(request.socket) ?? 0
      const line = `${request.method} ${request.url?.replace(/^\/v[\d.]+|\?.*/g, "")}`
      const said = answer(
        { line, connection },
        seen.filter((before) => before.line === line).length + 1,
      )
      seen.push({ line, connection })
      if (said === undefined) return
      const [status, body] = said
      response.writeHead(status, { "content-type": "application/json" })
      response.end(body === undefined ? "" : JSON.stringify(body))
    }
    const server = createServer(respond)
    server.on("connection", (socket) => connections.set(socket, connections.size + 1))
    yield* Effect.acquireRelease(
      Effect.promise(() => once(server.listen(0, "127.0.0.1"), "listening")),
      () => Effect.sync(() => server.closeAllConnections() ?? server.close()),
    )
    const address = server.address()
    const port = typeof address === "object" ? (address?.port ?? 0) : 0
    return { host: `tcp://127.0.0.1:${port}`, seen }
  })

const version = { Version: "20.10.24", ApiVersion: "1.41", Os: "linux", Arch: "amd64" }

/** Lets time pass in which the engine hears and answers. */
const pass = Effect.fnUntraced(function* (seconds: number) {
  for (let second = 0; second < seconds; second++) {
    yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 20)))
    yield* TestClock.adjust("1 second")
  }
  yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 20)))
})

const using = <A, E>(host: string, use: (engine: DockerEngine["Service"]) => Effect.Effect<A, E>) =>
  Effect.flatMap(DockerEngine, use).pipe(Effect.provide(layerEngine({ host })))

/** What becomes of a call while time passes. */
const during = <A, E>(seconds: number, call: Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(Effect.result(call), { startImmediately: true })
    yield* pass(seconds)
    return fiber.pollUnsafe() === undefined ? "under way" : yield* Fiber.join(fiber)
  })

describe("connections to an engine", () => {
  it.effect(
    "that are idle for 5 seconds are not used again, since a middlebox may have dropped them",
    () =>
      Effect.gen(function* () {
        const { host, seen } = yield* engineThat(() => [200, version])
        yield* using(host, (engine) =>
          Effect.gen(function* () {
            yield* engine.version
            yield* engine.version
            yield* TestClock.adjust("5 seconds")
            yield* engine.version
          }),
        )
        const [first, second, third] = seen.map(({ connection }) => connection)
        assert.isDefined(third)
        assert.notInclude([first, second], third)
      }).pipe(Effect.scoped),
  )

  it.effect("that are silent during a read have it sent over another one, and answered", () =>
    Effect.gen(function* () {
      const { host, seen } = yield* engineThat((_, nth) => (nth === 1 ? undefined : [200, version]))
      const result = yield* using(host, (engine) => during(4, engine.version))
      assert.deepInclude(result, { _tag: "Success" })
      assert.strictEqual(seen.length, 2)
      assert.notStrictEqual(seen[0]?.connection, seen[1]?.connection)
    }).pipe(Effect.scoped),
  )

  it.effect(
    "that are silent during a creation do not repeat it, and say that it may have happened",
    () =>
      Effect.gen(function* () {
        const { host, seen } = yield* engineThat(() => undefined)
        const result = yield* using(host, (engine) =>
          during(40, engine.networkConnect("net", "box")),
        )
        assert.deepInclude(result, { _tag: "Failure" })
        assert.deepNestedInclude(result, {
          "failure._tag": "EngineUnreachable",
          "failure.delivered": "perhaps",
        })
        assert.deepStrictEqual(
          seen.map(({ line }) => line).filter((line) => line.startsWith("POST")),
          ["POST /networks/net/connect"],
        )
      }).pipe(Effect.scoped),
  )

  it.effect(
    "that are silent during a removal have it repeated over another one until the container is gone",
    () =>
      Effect.gen(function* () {
        const underWay = { message: "removal of container box is already in progress" }
        const { host, seen } = yield* engineThat((_, nth) => {
          if (nth === 1) return undefined
          return nth < 4 ? [409, underWay] : [404, { message: "No such container: box" }]
        })
        const result = yield* using(host, (engine) => during(12, engine.containerRemove("box")))
        assert.deepInclude(result, { _tag: "Success" })
        assert.strictEqual(seen.length, 4)
      }).pipe(Effect.scoped),
  )

  it.effect("that are silent during a kill accept that its repetition finds nothing running", () =>
    Effect.gen(function* () {
      const { host } = yield* engineThat((_, nth) =>
        nth === 1 ? undefined : [409, { message: "Container box is not running" }],
      )
      const result = yield* using(host, (engine) => during(8, engine.containerKill("box")))
      assert.deepInclude(result, { _tag: "Success" })
    }).pipe(Effect.scoped),
  )
})
