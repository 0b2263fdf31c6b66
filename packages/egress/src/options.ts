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
  /** Milliseconds that `ask` may take: 30,000 by default. After that the answer is no. */
  readonly askTimeout?: number | undefined
  /** Is told of each attempt of any sandbox once it is over, never of what was said. */
  readonly onAttempt?:
    | ((attempt: EgressAttempt & Pick<EgressRequest, "sandbox">) => void)
    | undefined
  /**
   * The seed of the placeholders for secrets. After a restart with the same seed, the program also
   * replaces the placeholders that running background processes have in their environment. At least
   * 16 characters that nobody can guess. Default: random.
   */
  readonly seed?: EgressSecret | undefined
  /** Addresses of names that this machine's resolver does not know, by name. */
  readonly hosts?: Readonly<Record<string, string>> | undefined
  /** Authorities, as PEM, that destinations may be signed by, in place of those that Node knows. */
  readonly ca?: ReadonlyArray<string> | undefined
}
