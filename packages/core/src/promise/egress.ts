import type { Sandbox } from "../sandbox/Sandbox.ts"
import type { EgressAttempt } from "../values/Egress.ts"
import type { EgressRules } from "../values/EgressRules.ts"
import { methodsOn } from "./methods.ts"
import type { Abortable } from "./options.ts"
import type { PromiseRuntime } from "./runtime.ts"

/** The way out of a sandbox. */
export interface PromiseEgress {
  /**
   * The rules that hold now; absent where this program is not the way out: the sandbox has none, or one that leads anywhere,
   * or a list of destinations.
   */
  readonly rules: EgressRules | undefined
  /**
   * Has other rules decide from now on: new connections at once, and what is under way and not allowed any more is ended.
   * Opens a way out where a sandbox had none. Rejects with `NotAllowed` beyond the settings' ceiling, and with `InvalidInput`
   * for a sandbox whose network leads out by itself.
   *
   * @example
   * await sandbox.egress.update({ allow: { "api.example.com": { methods: ["GET"] } } })
   */
  readonly update: (rules: EgressRules, options?: Abortable) => Promise<void>
  /**
   * Where it tried to go, oldest first: with rules the last 1,000 attempts of this program's time.
   *
   * @example
   * for (const { host, outcome } of await sandbox.egress.attempts()) console.log(host, outcome)
   */
  readonly attempts: (options?: Abortable) => Promise<ReadonlyArray<EgressAttempt>>
  /**
   * Where it tries to go from now on, under rules, until the loop is left. A consumer that is 1,000 attempts behind misses
   * some.
   *
   * @example
   * for await (const { host, outcome } of sandbox.egress.watch()) console.log(host, outcome)
   */
  readonly watch: (options?: Abortable) => AsyncIterable<EgressAttempt>
}

/** The way out of a sandbox. */
export const egressOf = (runtime: PromiseRuntime, { egress }: Sandbox): PromiseEgress => {
  const { promise, iterable } = methodsOn(runtime)
  return {
    get rules() {
      return egress.rules
    },
    update: promise(["rules", "egress.update"], egress.update),
    attempts: promise(["nothing", "egress.attempts"], () => egress.attempts),
    watch: iterable(["nothing", "egress.watch"], () => egress.watch),
  }
}
