import type { Duplex } from "node:stream"
import { Effect, Fiber } from "effect"
import type { DialError } from "../driver/ports.ts"
import { duplexOf } from "../sandbox/ports/duplex.ts"
import type { ExposedPort, ExposeOptions, WaitOptions } from "../sandbox/ports/Ports.ts"
import type { ReverseOptions } from "../sandbox/ports/reversePorts.ts"
import type { Sandbox } from "../sandbox/Sandbox.ts"
import type { PortConnection } from "../values/PortConnection.ts"
import { methodsOn } from "./methods.ts"
import type { Abortable } from "./options.ts"
import type { PromiseRuntime } from "./runtime.ts"

/** A port of a sandbox that this machine can connect to. `await using` closes it. */
export interface PromiseExposedPort extends ExposedPort, AsyncDisposable {
  /**
   * Ends its connections and listens no longer.
   *
   * @example
   * const port = await sandbox.ports.expose(3000)
   * await port.close()
   */
  readonly close: () => Promise<void>
}

/** A port inside that leads to a program outside. `await using` closes it at the end of the block. */
export interface PromiseReversedPort extends AsyncDisposable {
  /**
   * Listens no longer, and ends the connections.
   *
   * @example
   * const database = await sandbox.ports.reverse(5432, { localPort: 5432 })
   * await database.close()
   */
  readonly close: () => Promise<void>
}

/** The TCP ports of a sandbox, whatever its network: also with none. */
export interface PromisePorts {
  /**
   * Those that something listens on, in order.
   *
   * @example
   * const ports = await sandbox.ports.list() // [3000, 5432]
   */
  readonly list: (options?: Abortable) => Promise<ReadonlyArray<number>>
  /**
   * Waits until something listens on the port.
   *
   * @example
   * await sandbox.processes.start("npm run dev")
   * await sandbox.ports.wait(3000, { timeout: "1 minute" })
   */
  readonly wait: (port: number, options?: WaitOptions & Abortable) => Promise<void>
  /**
   * Listens on 127.0.0.1 and passes each connection's bytes on to the loopback interface of the
   * sandbox: HTTP, WebSocket, whatever is spoken there. Every program of this machine can connect.
   *
   * @example
   * await using port = await sandbox.ports.expose(3000)
   * const response = await fetch(port.url)
   */
  readonly expose: (
    port: number,
    options?: ExposeOptions & Abortable,
  ) => Promise<PromiseExposedPort>
  /**
   * Connects to a port of the sandbox's loopback interface. The stream is as `net` gives one: each side ends by itself, and
   * `destroy` lets go. It is a use of the sandbox until it is closed, however silent it is; the signal ends the connecting only. Rejects with
   * `PortUnreachable` where nothing listens.
   *
   * @example
   * const stream = await sandbox.ports.connect(5432)
   * stream.write("hello\n")
   */
  readonly connect: (port: number, options?: Abortable) => Promise<Duplex>
  /**
   * The other way round: listens on 127.0.0.1 inside and passes each connection's bytes on to a program that this
   * machine reaches (`host`, by default this machine's own 127.0.0.1), whatever the network of the sandbox. What connects is
   * no use of the sandbox: its lease runs on. It goes on when the sandbox is started again after a stop. Rejects with
   * `PortUnavailable` where the port is taken inside.
   *
   * @example
   * // Programs inside reach this machine's PostgreSQL, and nothing else.
   * await using database = await sandbox.ports.reverse(5432, { localPort: 5432 })
   */
  readonly reverse: (
    port: number,
    options: ReverseOptions & Abortable,
  ) => Promise<PromiseReversedPort>
  /**
   * As `reverse`, with each connection handed to this program as a stream, for a server of Node's own:
   * `http.Server` takes it by `server.emit("connection", stream)`. Up to 64 are open at a time.
   *
   * @example
   * import { createServer } from "node:http"
   *
   * const server = createServer((_, response) => response.end("hello"))
   * await using port = await sandbox.ports.serve(8080, (stream) => void server.emit("connection", stream))
   */
  readonly serve: (
    port: number,
    handle: (stream: Duplex) => void,
    options?: Abortable,
  ) => Promise<PromiseReversedPort>
}

/** A connection to a port as a stream, which the end of the scope destroys. */
const connectTo = Effect.fnUntraced(function* ({ connect }: Sandbox["ports"], port: number) {
  const { stream, closed } = duplexOf(yield* connect(port))
  const living = yield* Effect.forkScoped(closed)
  return { stream, ended: Fiber.await(living) }
})

/** Hands a connection to the program as a stream, and lasts until both have ended. */
const handTo = (handle: (stream: Duplex) => void) => (connection: PortConnection<DialError>) =>
  Effect.suspend(() => {
    const { stream, closed } = duplexOf(connection)
    try {
      handle(stream)
    } catch (error) {
      stream.destroy()
      throw error
    }
    return closed
  })

const closedBy = (close: () => Promise<void>) => ({ close, [Symbol.asyncDispose]: close })

/** The ports of a sandbox, with streams of Node for connections. */
export const portsOf = (runtime: PromiseRuntime, { ports }: Sandbox): PromisePorts => {
  const { promise, closable } = methodsOn(runtime)
  return {
    list: promise(["nothing", "ports.list"], () => ports.list),
    wait: promise(["wait", "ports.wait"], ports.wait),
    expose: closable(["expose", "ports.expose"], ports.expose, (port, close) => ({
      ...port,
      ...closedBy(close),
    })),
    connect: closable(
      ["connect", "ports.connect"],
      (port: number) => connectTo(ports, port),
      ({ stream, ended }, close) => {
        void Effect.runPromise(ended).then(close)
        return stream
      },
    ),
    reverse: closable(["reverse", "ports.reverse"], ports.reverse, (_, close) => closedBy(close)),
    serve: closable(
      ["serve", "ports.serve"],
      (port: number, handle: (stream: Duplex) => void) => ports.serve(port, handTo(handle)),
      (_, close) => closedBy(close),
    ),
  }
}
