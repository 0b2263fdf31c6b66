import { connect, type Socket } from "node:net"
import {
  type DialError,
  FileNotFound,
  type PortConnection,
  PortUnreachable,
  type SandboxDriver,
} from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { type Cause, Deferred, Effect, Queue, Stream } from "effect"
import { TestClock } from "effect/testing"
import { vi } from "vitest"
import { capable, sessionWith } from "../support/capableDriver.ts"

type Driver = SandboxDriver["Service"]

const row = (port: string) => `   0: 0100007F:${port} 00000000:0000 0A 00000000:00000000\n`

/** A sandbox whose ports are dialled in this way, and whose table of sockets is this. */
const sandboxWith = (change: Partial<Pick<Driver, "dial" | "readFile">>) =>
  Effect.flatMap(
    sessionWith((driver) => ({ ...capable(driver), ...change })),
    (session) => session.create(),
  )

/** Gives back what is sent, and ends when that ends. */
const echo = Effect.gen(function* () {
  const queue = yield* Queue.unbounded<Uint8Array, Cause.Done>()
  const connection: PortConnection<DialError> = {
    output: Stream.fromQueue(queue),
    write: (bytes) => Effect.asVoid(Queue.offer(queue, bytes)),
    end: Effect.asVoid(Queue.end(queue)),
    closed: Effect.void,
  }
  return connection
})

/** Takes what is sent, and neither answers nor closes but by what is offered to `fromInside`. */
const silent = Effect.gen(function* () {
  const clientEnded = yield* Deferred.make<void>()
  const fromInside = yield* Queue.unbounded<Uint8Array>()
  const connection: PortConnection<DialError> = {
    output: Stream.fromQueue(fromInside),
    write: () => Effect.void,
    end: Deferred.succeed(clientEnded, undefined),
    closed: Effect.never,
  }
  return { connection, clientEnded, fromInside }
})

/** A client of an exposed port that leads to this connection, and when the driver's connection is closed. */
const connectedTo = (connection: PortConnection<DialError>) =>
  Effect.gen(function* () {
    const closed = yield* Deferred.make<void>()
    const sandbox = yield* sandboxWith({
      dial: () =>
        Effect.acquireRelease(Effect.succeed(connection), () =>
          Deferred.succeed(closed, undefined),
        ),
    })
    const { localPort } = yield* sandbox.ports.expose(80)
    const client = connect(localPort, "127.0.0.1")
    return { client, closed }
  })

const closing = (socket: Socket) =>
  Effect.callback<void>((resume) => {
    if (socket.closed) return resume(Effect.void)
    socket.once("close", () => resume(Effect.void))
  })

/** What a port of this machine answers to what is sent, which then ends; undefined where it breaks. */
const ask = (port: number, text: string) =>
  Effect.callback<string | undefined>((resume) => {
    let answer = ""
    const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true }, () => socket.end(text))
    socket.on("data", (bytes) => {
      answer += bytes.toString()
    })
    socket.on("end", () => resume(Effect.succeed(answer)))
    socket.on("error", () => resume(Effect.succeed(undefined)))
  })

describe("Ports of a sandbox", () => {
  it.live("carry both directions until each ends, while the scope is open", () =>
    Effect.gen(function* () {
      const dialled: Array<number> = []
      let closed = 0
      const sandbox = yield* sandboxWith({
        dial: (_, port) =>
          Effect.acquireRelease(
            Effect.suspend(() => {
              dialled.push(port)
              return echo
            }),
            () =>
              Effect.sync(() => {
                closed += 1
              }),
          ),
      })
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { localPort } = yield* sandbox.ports.expose(8080)
          const answers = yield* Effect.all([ask(localPort, "one"), ask(localPort, "two")], {
            concurrency: 2,
          })
          assert.deepStrictEqual(answers, ["one", "two"])
        }),
      )
      assert.deepStrictEqual(dialled, [8080, 8080])
      assert.strictEqual(closed, 2)
    }).pipe(Effect.scoped),
  )

  it.live("carry a whole response to a client that ended its side and reads slowly", () =>
    Effect.gen(function* () {
      const piece = new Uint8Array(64 * 1024)
      const answering: PortConnection<DialError> = {
        output: Stream.range(1, 100).pipe(Stream.map(() => piece)),
        write: () => Effect.void,
        end: Effect.void,
        closed: Effect.void,
      }
      const sandbox = yield* sandboxWith({ dial: () => Effect.succeed(answering) })
      const { localPort } = yield* sandbox.ports.expose(80)
      const size = yield* Effect.callback<number>((resume) => {
        let size = 0
        const socket = connect({ port: localPort, host: "127.0.0.1", allowHalfOpen: true })
        socket.end("all of it")
        socket.on("data", (bytes) => {
          size += bytes.length
          socket.pause()
          setTimeout(() => socket.resume(), 1)
        })
        for (const event of ["end", "error"]) {
          socket.on(event, () => resume(Effect.succeed(size)))
        }
      })
      assert.strictEqual(size, 100 * piece.length)
    }).pipe(Effect.scoped),
  )

  it.effect(
    "close a connection after 3 minutes when its client ended and the program inside is silent",
    () =>
      Effect.gen(function* () {
        const { connection, clientEnded, fromInside } = yield* silent
        const { client, closed } = yield* connectedTo(connection)
        let got = 0
        client.on("data", (bytes) => {
          got += bytes.length
        })
        client.end("GET / HTTP/1.0\r\n\r\n")
        yield* Deferred.await(clientEnded)
        // A client that has ended may wait long for an answer that comes bit by bit.
        for (const piece of [1, 2, 3]) {
          yield* TestClock.adjust("55 seconds")
          yield* Queue.offer(fromInside, new Uint8Array(1))
          yield* Effect.promise(() => vi.waitFor(() => assert.strictEqual(got, piece)))
        }
        assert.isFalse(yield* Deferred.isDone(closed))
        yield* TestClock.adjust("3 minutes")
        yield* Deferred.await(closed)
        yield* closing(client)
      }).pipe(Effect.scoped),
  )

  it.effect("close a connection after 10 minutes when neither side sends anything", () =>
    Effect.gen(function* () {
      const { connection, fromInside } = yield* silent
      const { client, closed } = yield* connectedTo(connection)
      yield* Queue.offer(fromInside, new Uint8Array(1))
      yield* Effect.callback<void>((resume) => {
        client.once("data", () => resume(Effect.void))
      })
      yield* TestClock.adjust("9 minutes")
      assert.isFalse(yield* Deferred.isDone(closed))
      yield* TestClock.adjust("2 minutes")
      yield* Deferred.await(closed)
      yield* closing(client)
    }).pipe(Effect.scoped),
  )

  it.live(
    "close a client's connection when nothing listens inside, or the inner connection breaks",
    () =>
      Effect.gen(function* () {
        const unreachable = new PortUnreachable({ port: 80, reason: "nothing listens there" })
        const breaking: PortConnection<DialError> = {
          output: Stream.fail(unreachable),
          write: () => Effect.void,
          end: Effect.void,
          closed: Effect.void,
        }
        for (const dial of [Effect.fail(unreachable), Effect.succeed(breaking)]) {
          const sandbox = yield* sandboxWith({ dial: () => dial })
          const { localPort } = yield* sandbox.ports.expose(80)
          assert.include([undefined, ""], yield* ask(localPort, "anybody?"))
        }
      }).pipe(Effect.scoped),
  )

  it.live("can be connected to by the program itself until the scope closes", () =>
    Effect.gen(function* () {
      const closed = yield* Deferred.make<void>()
      const sandbox = yield* sandboxWith({
        dial: () => Effect.acquireRelease(echo, () => Deferred.succeed(closed, undefined)),
      })
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { write, end, output } = yield* sandbox.ports.connect(80)
          yield* write(new TextEncoder().encode("hello"))
          yield* end
          assert.strictEqual(yield* Stream.mkString(Stream.decodeText(output)), "hello")
          assert.isFalse(yield* Deferred.isDone(closed))
        }),
      )
      yield* Deferred.await(closed)
    }).pipe(Effect.scoped),
  )

  it.live("say why they can't be connected to", () =>
    Effect.gen(function* () {
      const unreachable = new PortUnreachable({ port: 80, reason: "nothing listens there" })
      const sandbox = yield* sandboxWith({ dial: () => Effect.fail(unreachable) })
      assert.strictEqual(yield* Effect.flip(Effect.scoped(sandbox.ports.connect(80))), unreachable)
      const refused = yield* Effect.flip(Effect.scoped(sandbox.ports.connect(0)))
      assert.strictEqual(refused._tag, "InvalidInput")
    }).pipe(Effect.scoped),
  )

  it.live("are listed once each, also when the sandbox has no IPv6 table", () =>
    Effect.gen(function* () {
      const sandbox = yield* sandboxWith({
        readFile: (_, path) =>
          path.endsWith("tcp6")
            ? Stream.fromEffect(Effect.fail(new FileNotFound({ path })))
            : Stream.make(row("0BB8"), row("0050"), row("0BB8")).pipe(Stream.encodeText),
      })
      assert.deepStrictEqual(yield* sandbox.ports.list, [80, 3000])
    }).pipe(Effect.scoped),
  )

  it.live("are waited for until something listens", () =>
    Effect.gen(function* () {
      let looks = 0
      const sandbox = yield* sandboxWith({
        readFile: () =>
          Stream.suspend(() => {
            looks += 1
            return Stream.encodeText(Stream.make(looks < 4 ? row("0050") : row("0051")))
          }),
      })
      yield* sandbox.ports.wait(81)
      assert.strictEqual(
        (yield* Effect.flip(sandbox.ports.wait(82, { timeout: 1 })))._tag,
        "PortUnreachable",
      )
    }).pipe(Effect.scoped),
  )
})
