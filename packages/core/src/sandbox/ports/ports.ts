import { createServer, type Socket } from "node:net"
import { Duration, Effect, FiberSet, Schedule, Schema, type Scope, Stream } from "effect"
import type { DialError } from "../../driver/ports.ts"
import {
  InvalidInput,
  invalidInput,
  type LeaseError,
  type PortUnavailable,
  PortUnreachable,
  type Unsupported,
} from "../../errors.ts"
import { FilePath } from "../../values/FilePath.ts"
import type { PortConnection } from "../../values/PortConnection.ts"
import type { SandboxContext } from "../context.ts"
import type { ScriptError } from "../git/runScript.ts"
import { heldConnection } from "./heldConnection.ts"
import { listeningPorts, tables } from "./listening.ts"
import { relay } from "./relay.ts"
import { leadTo, listenIn, type ReverseOptions } from "./reversePorts.ts"

/** Where an exposed port listens on this machine. */
export interface ExposeOptions {
  /** The port on this machine; any free one by default. */
  readonly localPort?: number | undefined
}

/** How long a port is waited for. */
export interface WaitOptions {
  /** 30 seconds by default. */
  readonly timeout?: Duration.Input | undefined
}

/** A port of a sandbox that this machine can connect to. */
export interface ExposedPort {
  /** In the sandbox. */
  readonly port: number
  /** On this machine's loopback interface. */
  readonly localPort: number
  /** `http://127.0.0.1:` and the local port. */
  readonly url: string
}

/** What waiting for a port, or exposing it, may fail with. */
export type PortError = ScriptError | InvalidInput | PortUnreachable | Unsupported

/** The TCP ports of a sandbox, whatever its network: also with none. */
export interface Ports {
  /** Those that something listens on, in order. */
  readonly list: Effect.Effect<ReadonlyArray<number>, ScriptError | Unsupported>
  /** Waits until something listens on the port. */
  readonly wait: (port: number, options?: WaitOptions) => Effect.Effect<void, PortError>
  /**
   * Listens on 127.0.0.1 for as long as the scope lives, and passes each connection's bytes on to
   * the loopback interface of the sandbox: HTTP, WebSocket, whatever is spoken there. Every program
   * of this machine can connect. A connection without a byte for 10 minutes is ended; once one side has
   * ended, for 1 to 2 minutes.
   */
  readonly expose: (
    port: number,
    options?: ExposeOptions,
  ) => Effect.Effect<ExposedPort, PortError, Scope.Scope>
  /**
   * Connects to a port, as `expose` does for each connection, and hands the connection to this program alone. It is a use of the
   * sandbox until the scope ends, however silent it is. Fails with `PortUnreachable` where nothing listens.
   */
  readonly connect: (
    port: number,
  ) => Effect.Effect<
    PortConnection<DialError | LeaseError>,
    DialError | LeaseError | InvalidInput,
    Scope.Scope
  >
  /**
   * The other way round: listens on 127.0.0.1 inside for as long as the scope lives, and passes each connection's bytes on to
   * a program that this machine reaches, by default one on its loopback interface. Programs inside so reach that one
   * program, whatever the network of the sandbox. Connections are ended as those of `expose` are, and are no use of the
   * sandbox: its lease runs on. It goes on when the sandbox is started again after a stop.
   */
  readonly reverse: (
    port: number,
    options: ReverseOptions,
  ) => Effect.Effect<void, PortError | PortUnavailable, Scope.Scope>
  /**
   * As `reverse`, with each connection handed to this program. It is closed when what the handler returned has ended; up to
   * 64 are handled at a time.
   */
  readonly serve: (
    port: number,
    handle: (connection: PortConnection<DialError>) => Effect.Effect<void>,
  ) => Effect.Effect<void, PortError | PortUnavailable, Scope.Scope>
}

// A sandbox has channels for some hundreds of connections and commands together.
const maxConnections = 64

// Bytes of a table of sockets. The kernel lists those first that listen.
const maxTable = 1024 * 1024

const Port = Schema.Int.pipe(
  Schema.check(Schema.isBetween({ minimum: 1, maximum: 65535 })),
  Schema.annotate({ title: "Port" }),
)
const checked = (port: number) =>
  Effect.mapError(Schema.decodeUnknownEffect(Port)(port), invalidInput("port"))

/** The TCP ports of one sandbox. */
export const makePorts = ({ id, driver, use, need }: SandboxContext): Ports => {
  const available = need("ports")

  const relayed = (socket: Socket, port: number) =>
    use(relay(socket, driver.dial(id, port))).pipe(
      Effect.catch((error) =>
        Effect.logDebug("A connection broke", { port, error: error.message }),
      ),
      Effect.ensuring(Effect.sync(() => socket.destroy())),
    )

  const expose: Ports["expose"] = Effect.fn("Sandbox.ports.expose")(function* (
    wanted,
    options = {},
  ) {
    const port = yield* checked(wanted)
    const local = options.localPort === undefined ? 0 : yield* checked(options.localPort)
    yield* available
    // A sandbox that can't be used is told of now, rather than to each connection.
    yield* use(driver.stat(id, FilePath.make("/")))
    const fork = yield* FiberSet.makeRuntime()
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      socket.on("error", () => socket.destroy())
      fork(relayed(socket, port))
    })
    server.maxConnections = maxConnections
    yield* Effect.acquireRelease(
      Effect.callback<void, InvalidInput>((resume) => {
        server.once("error", (cause) =>
          resume(Effect.fail(new InvalidInput({ subject: "local port", issue: cause.message }))),
        )
        server.listen(local, "127.0.0.1", () => resume(Effect.void))
      }),
      () => Effect.sync(() => server.close()),
    )
    const address = server.address()
    const localPort = typeof address === "object" && address !== null ? address.port : local
    return { port, localPort, url: `http://127.0.0.1:${localPort}` }
  })

  const table = (path: string) =>
    driver.readFile(id, FilePath.make(path), { length: maxTable }).pipe(
      Stream.decodeText,
      Stream.mkString,
      // The kernel may have no IPv6.
      Effect.catchTag("FileNotFound", () => Effect.succeed("")),
    )

  const listening = Effect.map(Effect.forEach(tables, table), (all) =>
    [...new Set(all.flatMap(listeningPorts))].sort((a, b) => a - b),
  )

  const connect: Ports["connect"] = Effect.fn("Sandbox.ports.connect")(function* (wanted) {
    const port = yield* checked(wanted)
    yield* available
    return yield* heldConnection<DialError, LeaseError>(use, driver.dial(id, port))
  })

  const serve: Ports["serve"] = Effect.fn("Sandbox.ports.serve")(function* (wanted, handle) {
    const port = yield* checked(wanted)
    yield* available
    // One that was stopped for want of use is started.
    yield* use(driver.stat(id, FilePath.make("/")))
    yield* listenIn(driver, id, port, handle)
  })

  const reverse: Ports["reverse"] = Effect.fn("Sandbox.ports.reverse")(function* (port, options) {
    const localPort = yield* checked(options.localPort)
    yield* serve(port, leadTo({ ...options, localPort }))
  })

  return {
    expose,
    connect,
    reverse,
    serve,
    list: Effect.andThen(available, use(listening)),
    wait: Effect.fn("Sandbox.ports.wait")(function* (wanted, options = {}) {
      const port = yield* checked(wanted)
      yield* available
      const timeout = Duration.fromInput(options.timeout ?? "30 seconds")
      if (timeout._tag === "None") {
        return yield* new InvalidInput({ subject: "timeout", issue: "it must be a duration" })
      }
      const late = new PortUnreachable({
        port,
        reason: `nothing listened on it within ${Duration.format(timeout.value)}`,
      })
      const come = Effect.repeat(listening, {
        schedule: Schedule.spaced("100 millis"),
        until: (ports) => ports.includes(port),
      })
      yield* use(come).pipe(
        Effect.timeoutOrElse({ duration: timeout.value, orElse: () => Effect.fail(late) }),
      )
    }),
  }
}
