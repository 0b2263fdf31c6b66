import type { EgressAttempt, EgressSecret, SandboxId } from "@cordon/core"
import type { Effect } from "effect"
import type { Subject } from "./policy.ts"

/** The question to a program: what a sandbox wants to do. */
export interface EgressRequest extends Subject {
  /** The sandbox whose program asks. */
  readonly sandbox: SandboxId
}

/** Options of an egress broker, through which sandboxes reach the outside. */
export interface EgressBrokerOptions {
  /**
   * Decides about requests whose rule says `ask`. A failure, an exception or a rejection counts as
   * no. Without `ask` all such requests are refused.
   */
  readonly ask?:
    | ((request: EgressRequest) => boolean | Promise<boolean> | Effect.Effect<boolean>)
    | undefined
  /** Milliseconds that `ask` may take; after that the answer is no. Default: 30,000. */
  readonly askTimeout?: number | undefined
  /** Called after each attempt of any sandbox, without the content of the attempt. */
  readonly onAttempt?:
    | ((attempt: EgressAttempt & Pick<EgressRequest, "sandbox">) => void)
    | undefined
  /**
   * The seed of the placeholders for secrets. After a restart with the same seed, the program also
   * replaces the placeholders that running background processes have in their environment. At least
   * 16 characters that nobody can guess. Default: random.
   */
  readonly seed?: EgressSecret | undefined
  /** Addresses by name, for names that this machine's resolver does not know. */
  readonly hosts?: Readonly<Record<string, string>> | undefined
  /** Certificate authorities for destinations, as PEM, in place of those that Node trusts. */
  readonly ca?: ReadonlyArray<string> | undefined
}
