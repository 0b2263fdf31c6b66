import type { Effect, Scope } from "effect"
import type {
  HostError,
  PortUnavailable,
  PortUnreachable,
  SandboxNotFound,
  SandboxNotRunning,
  Unsupported,
} from "../errors.ts"
import type { PortConnection } from "../values/PortConnection.ts"
import type { SandboxId } from "../values/SandboxId.ts"

/** Errors of connecting to a port of a sandbox; `PortUnreachable` where nothing listens. */
export type DialError =
  | SandboxNotFound
  | SandboxNotRunning
  | PortUnreachable
  | Unsupported
  | HostError

/** Errors of listening on a port of a sandbox; `PortUnavailable` where the port is taken. */
export type ListenError =
  | SandboxNotFound
  | SandboxNotRunning
  | PortUnavailable
  | Unsupported
  | HostError

/** How a driver connects to TCP ports of a sandbox, and listens on them. */
export interface DriverPorts {
  /**
   * Connects to a TCP port of the sandbox's loopback interface: to `127.0.0.1`, or to `::1` where nothing listens on
   * `127.0.0.1`. It works with any network of the sandbox, and needs no tool in the image. The end of the scope
   * closes the connection.
   *
   * @param port from 1 to 65535
   */
  readonly dial: (
    id: SandboxId,
    port: number,
  ) => Effect.Effect<PortConnection<DialError>, DialError, Scope.Scope>

  /**
   * Listens on a TCP port of the sandbox's `127.0.0.1`, until the scope or the sandbox ends. Listening and connections
   * to the port are no use of the sandbox: code inside must not prolong its own lease.
   *
   * @param port from 1 to 65535
   * @returns an effect that waits for the next connection; the end of its scope closes the connection. Any number of
   * such effects may wait at once
   */
  readonly listen: (
    id: SandboxId,
    port: number,
  ) => Effect.Effect<
    Effect.Effect<PortConnection<DialError>, DialError, Scope.Scope>,
    ListenError,
    Scope.Scope
  >
}
