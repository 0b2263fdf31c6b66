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
import type { Environment } from "../values/Sandbox.ts"
import type { SandboxId } from "../values/SandboxId.ts"
import type { EgressRules } from "./EgressRules.ts"

/** What a broker may fail with when it opens a way out. */
export type OpenError =
  | ExecError
  | LeaseError
  | CommandFailed
  | ExecTimedOut
  | OutOfMemory
  | PortError
  | PortUnavailable

/** The way out of one sandbox. */
export interface WayOut {
  /** The rules that hold now. */
  readonly rules: () => EgressRules
  /** The variables by which programs inside find it: the proxy, its authority, and the placeholders of secrets. */
  readonly env: () => Environment
  /** Opens it, until the scope ends; also again, once the sandbox was stopped and started. */
  readonly open: (
    sandbox: Pick<Sandbox, "run" | "ports">,
  ) => Effect.Effect<void, OpenError, Scope.Scope>
  /** Has other rules decide from now on, and ends what they do not allow. */
  readonly update: (rules: EgressRules) => Effect.Effect<void, InvalidInput>
  /** What was tried of late, oldest first. */
  readonly attempts: Effect.Effect<ReadonlyArray<EgressAttempt>>
  /** What is tried from now on. A consumer that is slow misses some. */
  readonly watch: Stream.Stream<EgressAttempt>
}

/**
 * Makes ways out of sandboxes: a port, as a driver is one. `egressBroker` of `@cordon/egress` is its implementation;
 * without one, rules for the way out are refused.
 */
export class EgressBroker extends Context.Service<
  EgressBroker,
  {
    /** Fails where rules can't be; nothing else is done. */
    readonly check: (rules: EgressRules) => Effect.Effect<void, InvalidInput>
    /** Makes the way out of a sandbox, which is not yet open. The scope's end closes it. */
    readonly make: (
      rules: EgressRules,
      sandbox: SandboxId,
    ) => Effect.Effect<WayOut, InvalidInput, Scope.Scope>
  }
>()("@cordon/core/EgressBroker") {}
