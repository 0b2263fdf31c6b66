import { Context, type Effect, type Scope, type Stream } from "effect"
import type {
  CommandFailed,
  ExecError,
  ExecTimedOut,
  InvalidInput,
  LeaseError,
  OutOfMemory,
  PortUnavailable,
} from "../errors.ts"
import type { PortError } from "../sandbox/ports/Ports.ts"
import type { Sandbox } from "../sandbox/Sandbox.ts"
import type { EgressAttempt } from "../values/Egress.ts"
import type { EgressRules } from "../values/EgressRules.ts"
import type { Environment } from "../values/Sandbox.ts"
import type { SandboxId } from "../values/SandboxId.ts"

/** The errors with which a broker may fail to open a sandbox's egress proxy, or to replace its rules. */
export type OpenError =
  | ExecError
  | LeaseError
  | CommandFailed
  | ExecTimedOut
  | OutOfMemory
  | PortError
  | PortUnavailable

/** What the egress proxy needs of its sandbox. */
export interface OpenedSandbox extends Pick<Sandbox, "run" | "ports"> {
  /** Runs a script as root. It does not count as a use of the sandbox, and does not start it. The script's failure is logged only. */
  readonly maintain: (script: string, stdin: string) => Effect.Effect<void, ExecError>
}

/** The egress proxy of one sandbox: all requests of the sandbox pass through it. */
export interface WayOut {
  /** The current rules. */
  readonly rules: () => EgressRules
  /** Environment variables for programs inside: the proxy's address, its certificate authority, and the placeholders of secrets. */
  readonly env: () => Environment
  /** Opens the proxy until the scope ends. Opens it again after each stop and start of the sandbox. */
  readonly open: (sandbox: OpenedSandbox) => Effect.Effect<void, OpenError, Scope.Scope>
  /** Replaces the rules, and ends connections that the new rules do not allow. A failure leaves the old rules in force. */
  readonly update: (rules: EgressRules) => Effect.Effect<void, OpenError>
  /** The latest attempts, oldest first. */
  readonly attempts: Effect.Effect<ReadonlyArray<EgressAttempt>>
  /** Attempts from now on. A slow consumer misses some. */
  readonly watch: Stream.Stream<EgressAttempt>
}

/**
 * Makes egress proxies for sandboxes. This is an interface, like `SandboxDriver`; `egressBroker` of `@cordon/egress` implements it.
 * Without a broker, egress rules are refused.
 *
 * @example
 * import { Sandboxes } from "@cordon/core"
 * import { docker } from "@cordon/driver-docker"
 * import { egressBroker } from "@cordon/egress"
 * import { Layer } from "effect"
 *
 * const layer = Layer.provide(Sandboxes.layer(), [docker(), egressBroker()])
 */
export class EgressBroker extends Context.Service<
  EgressBroker,
  {
    /** Fails if the rules are invalid, and does nothing else. */
    readonly check: (rules: EgressRules) => Effect.Effect<void, InvalidInput>
    /** Makes the proxy of a sandbox, not yet open. The end of the scope closes it. */
    readonly make: (
      rules: EgressRules,
      sandbox: SandboxId,
    ) => Effect.Effect<WayOut, InvalidInput, Scope.Scope>
  }
>()("@cordon/core/EgressBroker") {}
