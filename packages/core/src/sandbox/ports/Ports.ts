import type { Duration, Effect, Scope } from "effect"
import type { DialError } from "../../driver/ports.ts"
import type {
  ExecError,
  InvalidInput,
  LeaseError,
  PortUnavailable,
  PortUnreachable,
  Unsupported,
} from "../../errors.ts"
import type { PortConnection } from "../../values/PortConnection.ts"
import type { ScriptError } from "../git/runScript.ts"
import type { ReverseOptions } from "./reversePorts.ts"

/** Options of exposing a port. */
export interface ExposeOptions {
  /** The port on this machine; any free one by default. */
  readonly localPort?: number | undefined
}

/** Options of waiting for a port. */
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

/** Errors of waiting for a port and of exposing it. */
export type PortError = ScriptError | InvalidInput | PortUnreachable | Unsupported

/** The TCP ports of a sandbox. They work with every network of the sandbox, also with none. */
export interface Ports {
  /** The ports that something listens on, in order. */
  readonly list: Effect.Effect<ReadonlyArray<number>, ScriptError | Unsupported>
  /**
   * Waits until something listens on the port.
   *
   * @example
   * yield* sandbox.processes.start("npm run dev")
   * yield* sandbox.ports.wait(3000, { timeout: "1 minute" })
   */
  readonly wait: (port: number, options?: WaitOptions) => Effect.Effect<void, PortError>
  /**
   * Listens on 127.0.0.1 of this machine until the scope closes, and passes the bytes of each connection
   * on to the loopback interface of the sandbox. Any protocol over TCP works, such as HTTP or WebSocket.
   * Every program on this machine can connect. A connection ends after 10 minutes without a byte; once
   * one side has ended, after 1 to 2 minutes.
   *
   * @example
   * const { url } = yield* sandbox.ports.expose(3000)
   * const response = yield* Effect.promise(() => fetch(url))
   */
  readonly expose: (
    port: number,
    options?: ExposeOptions,
  ) => Effect.Effect<ExposedPort, PortError, Scope.Scope>
  /**
   * Connects to a port, as `expose` does for each connection, and hands the connection to this program
   * alone. Until the scope closes, the connection is a use of the sandbox, even without a byte. Fails with
   * `PortUnreachable` where nothing listens.
   *
   * @example
   * const { output } = yield* sandbox.ports.connect(5432)
   */
  readonly connect: (
    port: number,
  ) => Effect.Effect<
    PortConnection<DialError | LeaseError>,
    DialError | LeaseError | InvalidInput,
    Scope.Scope
  >
  /**
   * The other direction: listens on 127.0.0.1 in the sandbox until the scope closes, and passes the bytes of
   * each connection on to one program that this machine reaches, by default on its loopback interface. It
   * works with every network of the sandbox. Connections end as those of `expose` do. They are no use of the
   * sandbox: its lease runs on. Listening goes on when the sandbox is started again after a stop.
   *
   * @example
   * // Programs inside reach this machine's PostgreSQL, and nothing else.
   * yield* sandbox.ports.reverse(5432, { localPort: 5432 })
   */
  readonly reverse: (
    port: number,
    options: ReverseOptions,
  ) => Effect.Effect<void, PortError | PortUnavailable, Scope.Scope>
  /**
   * As `reverse`, but hands each connection to this program. The connection is closed when the handler's
   * effect ends. Up to 64 connections are handled at a time.
   *
   * @param again done each time that the port is listened on again, such as after a stop and start, before a connection is handled.
   * If it fails, listening is tried again
   *
   * @example
   * yield* sandbox.ports.serve(7, ({ output, write }) => Effect.ignore(Stream.runForEach(output, write)))
   */
  readonly serve: (
    port: number,
    handle: (connection: PortConnection<DialError>) => Effect.Effect<void>,
    again?: Effect.Effect<void, ExecError | LeaseError>,
  ) => Effect.Effect<void, PortError | PortUnavailable, Scope.Scope>
}
