import type { EgressAttempt, EgressSecret, SandboxId } from "@cordon/core"
import type { Effect } from "effect"
import type { Subject } from "./policy.ts"

/** What a program is asked about: what a sandbox wants to do. */
export interface EgressRequest extends Subject {
  /** Whose program asks. */
  readonly sandbox: SandboxId
}

/** How this program is the way out of its sandboxes. */
export interface EgressBrokerOptions {
  /** Decides about requests whose rule says `ask`. Whatever fails, throws or rejects is a no; without it all are. */
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
   * What the placeholders of secrets are made of. A program that is started again finds background processes that have
   * placeholders in their environment, and swaps these too where it has the same seed. At least 16 characters that nobody can
   * guess; random by default.
   */
  readonly seed?: EgressSecret | undefined
  /** Addresses of names that this machine's resolver does not know, by name. */
  readonly hosts?: Readonly<Record<string, string>> | undefined
  /** Authorities, as PEM, that destinations may be signed by, in place of those that Node knows. */
  readonly ca?: ReadonlyArray<string> | undefined
}
