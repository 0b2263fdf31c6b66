import { createServer, type Socket } from "node:net"
import { Duration, Effect, FiberSet, Schema, type Scope, Stream } from "effect"
import {
  type HostError,
  InvalidInput,
  invalidInput,
  PortUnreachable,
  type Unsupported,
} from "../errors.ts"
import {
  awaitPortScript,
  canRelayScript,
  listeningScript,
  relayExit,
  relayScript,
} from "./portScripts.ts"
import { type RunCommand, runScript, type ScriptError, scriptCommand } from "./shell.ts"

/** Where an exposed port listens on this machine. */
export interface ExposeOptions {
  /** The port on this machine; any free one by default. */
  readonly localPort?: number
}

/** How long a port is waited for. */
export interface WaitOptions {
  /** 30 seconds by default. */
  readonly timeout?: Duration.Input
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
   * of this machine can connect.
   */
  readonly expose: (
    port: number,
    options?: ExposeOptions,
  ) => Effect.Effect<ExposedPort, PortError, Scope.Scope>
}

// Each takes processes of the sandbox.
const mostConnections = 64

const Port = Schema.Int.pipe(
  Schema.check(Schema.isBetween({ minimum: 1, maximum: 65535 })),
  Schema.annotate({ title: "Port" }),
)
const checked = (port: number) =>
  Effect.mapError(Schema.decodeUnknownEffect(Port)(port), invalidInput("port"))

const hex = (port: number) => port.toString(16).toUpperCase().padStart(4, "0")

/** Writes as fast as the other side reads. */
const write = (socket: Socket, bytes: Uint8Array) =>
  Effect.callback<void>((resume) => {
    if (socket.destroyed || socket.write(bytes)) return resume(Effect.void)
    const ready = () => {
      for (const event of ["drain", "close"]) socket.off(event, ready)
      resume(Effect.void)
    }
    for (const event of ["drain", "close"]) socket.on(event, ready)
  })

const closed = (socket: Socket) =>
  Effect.callback<void>((resume) => {
    if (socket.destroyed) return resume(Effect.void)
    socket.once("close", () => resume(Effect.void))
  })

export const makePorts = (needs: {
  readonly run: RunCommand
  /** As `run`, without a timeout. */
  readonly runOn: RunCommand
  readonly available: Effect.Effect<void, Unsupported | HostError>
}): Ports => {
  const { run, runOn, available } = needs

  /** Passes a connection on until either side ends it. */
  const relay = (socket: Socket, port: number) =>
    Effect.gen(function* () {
      const stdin = Stream.fromAsyncIterable<Uint8Array, "broken">(socket, () => "broken").pipe(
        Stream.catch(() => Stream.empty),
      )
      yield* runOn({ ...scriptCommand(relayScript, String(port)), stdin }).pipe(
        Stream.runForEach((event) =>
          event._tag === "Stdout" ? write(socket, event.bytes) : Effect.void,
        ),
        // Gone on this side: nobody is left to talk to.
        Effect.raceFirst(closed(socket)),
      )
      yield* Effect.sync(() => socket.end())
      yield* closed(socket)
    }).pipe(
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
    yield* runScript(run, "/", scriptCommand(canRelayScript), (exitCode) =>
      exitCode === relayExit.noTool
        ? new PortUnreachable({ port, reason: "the image has neither perl nor nc nor bash" })
        : undefined,
    )
    const fork = yield* FiberSet.makeRuntime()
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      socket.on("error", () => socket.destroy())
      fork(relay(socket, port))
    })
    server.maxConnections = mostConnections
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

  return {
    expose,
    list: Effect.andThen(
      available,
      Effect.map(runScript(run, "/proc/net/tcp", scriptCommand(listeningScript)), ({ stdout }) =>
        [
          ...new Set(
            stdout
              .split("\n")
              .filter((line) => /^[0-9A-F]{4}$/.test(line))
              .map((line) => Number.parseInt(line, 16)),
          ),
        ].sort((a, b) => a - b),
      ),
    ),
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
      yield* runScript(runOn, "/proc/net/tcp", scriptCommand(awaitPortScript, hex(port))).pipe(
        Effect.timeoutOrElse({ duration: timeout.value, orElse: () => Effect.fail(late) }),
      )
    }),
  }
}
