import { once } from "node:events"
import { mkdtemp, rm } from "node:fs/promises"
import { createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { HoldsProcess } from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Queue, Scope } from "effect"
import { DockerEngine } from "../src/DockerEngine.ts"
import { localEngine } from "../src/LocalEngine.ts"

const upgraded =
  "HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
const raw = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n"

const answers: Array<[status: string, head: string]> = [
  ["101", upgraded],
  ["200", raw],
]

interface Asked {
  /** The request, up to the empty line, and whatever came with it. */
  readonly head: string
  readonly socket: Socket
}

/** An engine of which a test writes each answer by hand, byte for byte. */
const fakeEngine = Effect.gen(function* () {
  const asked = yield* Queue.unbounded<Asked>()
  const path = yield* Effect.acquireRelease(
    Effect.promise(async () => {
      const folder = await mkdtemp(join(tmpdir(), "cordon-attach-"))
      const path = join(folder, "docker.sock")
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        // Only the client's end of a connection is to count as what keeps the process alive.
        socket.unref()
        let head = ""
        const read = (piece: Buffer) => {
          head += piece.toString()
          if (!head.includes("\r\n\r\n")) return
          socket.off("data", read).pause()
          Queue.offerUnsafe(asked, { head, socket })
        }
        socket.on("data", read)
        socket.on("error", () => {})
      })
      server.listen(path)
      await once(server, "listening")
      return { folder, path, server }
    }),
    ({ folder, server }) =>
      Effect.promise(async () => {
        server.close()
        await rm(folder, { recursive: true })
      }),
  ).pipe(Effect.map(({ path }) => path))
  const engine = (patience?: number) =>
    DockerEngine.pipe(Effect.provide(localEngine(path, patience)))
  return { engine, next: Queue.take(asked) }
})

const read = (socket: Socket) =>
  Effect.promise(async () => {
    const pieces = await once(socket.resume(), "data")
    return String(pieces[0])
  })
const ended = (socket: Socket) =>
  Effect.promise(async () => {
    await once(socket.resume(), "end")
  })
/** The end of both directions: what is sent to the other side has no reader. */
const closed = (socket: Socket) =>
  Effect.promise(
    () =>
      new Promise<void>((done) => {
        if (socket.errored !== null) done()
        socket.on("error", () => done())
        socket.on("end", () => socket.write("?"))
        socket.resume()
      }),
  )

const pipes = () => process.getActiveResourcesInfo().filter((name) => name === "PipeWrap").length

describe("an attachment through a local socket", () => {
  it.live("requests all three streams, without a body", () =>
    Effect.gen(function* () {
      const { engine, next } = yield* fakeEngine
      yield* Effect.forkScoped((yield* engine()).containerAttach("a/b"))
      const { head } = yield* next
      const [line, ...headers] = head.toLowerCase().trimEnd().split("\r\n")
      assert.strictEqual(
        line,
        "post /containers/a%2fb/attach?stream=1&stdin=1&stdout=1&stderr=1 http/1.1",
      )
      assert.includeMembers(headers, ["connection: upgrade", "upgrade: tcp", "content-length: 0"])
      assert.notMatch(head, /transfer-encoding/i)
      assert.isTrue(head.endsWith("\r\n\r\n"))
    }).pipe(Effect.scoped),
  )

  it.live.each(answers)(
    "answered with %s carries bytes both ways, first those that came with the response's head",
    ([, answer]) =>
      Effect.gen(function* () {
        const { engine, next } = yield* fakeEngine
        const attaching = yield* Effect.forkScoped((yield* engine()).containerAttach("box"))
        const { socket } = yield* next
        socket.write(`${answer}early `)
        const connection = yield* Fiber.join(attaching)
        const output: Array<Uint8Array> = []
        const reading = connection.receive((piece) => output.push(Buffer.from(piece)) > 0)
        yield* connection.write([Buffer.from("input")])
        assert.strictEqual(yield* read(socket), "input")
        yield* connection.end
        yield* ended(socket)
        socket.end("late")
        yield* reading.end
        assert.strictEqual(Buffer.concat(output).toString(), "early late")
      }).pipe(Effect.scoped),
  )

  it.live("answered with 200 reads no more than the caller takes", () =>
    Effect.gen(function* () {
      const { engine, next } = yield* fakeEngine
      const attaching = yield* Effect.forkScoped((yield* engine()).containerAttach("box"))
      const { socket } = yield* next
      socket.write(raw)
      const connection = yield* Fiber.join(attaching)
      const got = { pieces: 0, bytes: 0, wantsMore: false }
      const reading = connection.receive((piece) => {
        got.pieces += 1
        got.bytes += piece.length
        return got.wantsMore
      })
      const size = 8 * 1024 * 1024
      socket.end(Buffer.alloc(size))
      while (got.pieces === 0) yield* Effect.sleep("10 millis")
      yield* Effect.sleep("100 millis")
      assert.strictEqual(got.pieces, 1)
      assert.isAbove(socket.writableLength, 0)
      got.wantsMore = true
      reading.resume()
      yield* reading.end
      assert.strictEqual(got.bytes, size)
      // Nobody reads it any more.
      yield* connection.write([Buffer.alloc(1)])
    }).pipe(Effect.scoped),
  )

  it.live.each<[number, string, string]>([
    [404, '{"message":"No such container: box\\n"}', "No such container: box"],
    [409, '{"message":"container box is paused"}', "container box is paused"],
    [500, "page not found", "page not found"],
    [502, "", "it gave no reason"],
  ])("refused with %i says why", ([status, body, detail]) =>
    Effect.gen(function* () {
      const { engine, next } = yield* fakeEngine
      const attaching = yield* Effect.forkScoped(
        Effect.flip((yield* engine()).containerAttach("box")),
      )
      const { socket } = yield* next
      socket.write(`HTTP/1.1 ${status} No\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
      const error = yield* Fiber.join(attaching)
      assert.strictEqual(error._tag, "EngineError")
      if (error._tag !== "EngineError") return
      assert.deepStrictEqual([error.status, error.detail], [status, detail])
      socket.end()
    }).pipe(Effect.scoped),
  )

  it.live("fails when the connection closes before an answer", () =>
    Effect.gen(function* () {
      const { engine, next } = yield* fakeEngine
      const attaching = yield* Effect.forkScoped(
        Effect.flip((yield* engine()).containerAttach("box")),
      )
      const { socket } = yield* next
      socket.destroy()
      assert.strictEqual((yield* Fiber.join(attaching))._tag, "EngineUnreachable")
    }).pipe(Effect.scoped),
  )

  it.live("fails and closes its connection when no answer comes", () =>
    Effect.gen(function* () {
      const { engine, next } = yield* fakeEngine
      const attach = (yield* engine(100)).containerAttach("box")
      const error = yield* Effect.flip(Effect.scoped(attach))
      assert.match(error.message, /did not answer within 0\.1 s/)
      yield* closed((yield* next).socket)
    }).pipe(Effect.scoped),
  )

  it.live.each(answers)("answered with %s is closed with its scope", ([, answer]) =>
    Effect.gen(function* () {
      const { engine, next } = yield* fakeEngine
      const scope = yield* Scope.make()
      const attaching = yield* Effect.forkScoped(
        Scope.provide((yield* engine()).containerAttach("box"), scope),
      )
      const { socket } = yield* next
      socket.write(answer)
      yield* Fiber.join(attaching)
      yield* Scope.close(scope, Exit.void)
      yield* closed(socket)
    }).pipe(Effect.scoped),
  )

  it.live("that is interrupted is closed, answered or not", () =>
    Effect.gen(function* () {
      const { engine, next } = yield* fakeEngine
      const attach = Effect.scoped((yield* engine()).containerAttach("box"))
      const silent = yield* Effect.forkChild(attach)
      const first = yield* next
      yield* Fiber.interrupt(silent)
      yield* closed(first.socket)
      const answered = yield* Effect.forkChild(attach)
      const second = yield* next
      second.socket.write(`${upgraded}early`)
      yield* Fiber.interrupt(answered)
      yield* closed(second.socket)
    }).pipe(Effect.scoped),
  )

  it.live("keeps the Node process alive only when the driver's other connections do", () =>
    Effect.gen(function* () {
      const { engine, next } = yield* fakeEngine
      const before = pipes()
      const attach = Effect.gen(function* () {
        const attaching = yield* Effect.forkScoped((yield* engine()).containerAttach("box"))
        const { socket } = yield* next
        const waiting = pipes()
        socket.write(upgraded)
        yield* Fiber.join(attaching)
        return [waiting - before, pipes() - before]
      })
      const idle = attach.pipe(Effect.provideService(HoldsProcess, false))
      assert.deepStrictEqual(yield* idle, [0, 0])
      assert.deepStrictEqual(yield* attach, [1, 1])
    }).pipe(Effect.scoped),
  )
})

describe("an archive through a local socket", () => {
  it.live("is sent with its length, and an engine's refusal is passed on", () =>
    Effect.gen(function* () {
      const { engine, next } = yield* fakeEngine
      // A part of a larger buffer, as archives may be.
      const archive = new TextEncoder().encode("--archive--").subarray(2, 9)
      const { containerPutArchive } = yield* engine()
      const putting = yield* Effect.forkScoped(containerPutArchive("box", "/a b", archive))
      const { head, socket } = yield* next
      assert.match(head, /^PUT \/containers\/box\/archive\?path=%2Fa(%20|\+)b HTTP/)
      assert.match(head, /content-length: 7\r\n/i)
      if (!head.endsWith("archive")) assert.strictEqual(yield* read(socket), "archive")
      socket.end("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
      yield* Fiber.join(putting)

      const refused = yield* Effect.forkScoped(
        Effect.flip(containerPutArchive("box", "/a", archive)),
      )
      const again = yield* next
      const body = '{"message":"container rootfs is marked read-only"}'
      again.socket.end(`HTTP/1.1 400 No\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
      const error = yield* Fiber.join(refused)
      assert.strictEqual(error._tag, "EngineError")
      assert.match(error.message, /marked read-only/)
    }).pipe(Effect.scoped),
  )
})
