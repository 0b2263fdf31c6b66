import { Effect, Stream } from "effect"
import type { SetError } from "../egress/waysOut.ts"
import {
  type Closed,
  type HostError,
  InvalidInput,
  NotAllowed,
  type SandboxNotFound,
  type Unsupported,
} from "../errors.ts"
import { decideEgress, type Policy } from "../Policy.ts"
import type { EgressAttempt } from "../values/Egress.ts"
import { type EgressRules, isEgressRules } from "../values/EgressRules.ts"
import type { SandboxContext } from "./context.ts"
import type { Sandbox } from "./Sandbox.ts"

/** The egress of a sandbox: its rules, and its attempts to reach destinations. */
export interface SandboxEgress {
  /**
   * The current rules. `undefined` if this program does not forward the sandbox's requests: the sandbox has no network, an unrestricted
   * one, or a list of destinations.
   */
  readonly rules: EgressRules | undefined
  /**
   * Replaces the rules at once. Connections that the new rules do not allow are ended. A sandbox with the network `none` or `internal` gets egress by rules.
   * Fails with `NotAllowed` if the settings do not allow the rules, and with `InvalidInput` if the sandbox has the network `bridge`.
   *
   * @example
   * yield* sandbox.egress.update({ allow: { "api.example.com": { methods: ["GET"] } } })
   */
  readonly update: (rules: EgressRules) => Effect.Effect<void, NotAllowed | SetError>
  /**
   * The sandbox's attempts to reach destinations, oldest first. With rules: the last 1,000 since this program started.
   *
   * @example
   * for (const { host, outcome } of yield* sandbox.egress.attempts) yield* Console.log(host, outcome)
   */
  readonly attempts: Effect.Effect<
    ReadonlyArray<EgressAttempt>,
    SandboxNotFound | HostError | Unsupported | Closed
  >
  /**
   * Attempts from now on, under rules. A consumer that is 1,000 attempts behind misses some.
   *
   * @example
   * yield* sandbox.egress.watch.pipe(Stream.runForEach(({ host, outcome }) => Console.log(host, outcome)))
   */
  readonly watch: Stream.Stream<EgressAttempt, InvalidInput | Closed>
}

const noRules = new InvalidInput({
  subject: "egress",
  issue: "the sandbox has no egress rules in this program; give it rules when you create it",
})

const ownNetwork = new InvalidInput({
  subject: "egress",
  issue:
    'the sandbox has a network of its own, which rules could not restrict; create the sandbox with rules, or with the network "none"',
})

/** If the operator's settings do not allow the network `bridge`, they do not allow egress rules either. */
const checkNetwork = ({ networks }: Policy) =>
  networks.includes("bridge")
    ? Effect.void
    : Effect.fail(
        new NotAllowed({ part: "network", asked: "a way out", allowed: networks.join(", ") }),
      )

/** @param sandbox the sandbox's handle, which is made after this */
export const makeEgress = (
  { waysOut, settings, driver, id, info, ask, whileOpen, streamWhileOpen }: SandboxContext,
  sandbox: () => Pick<Sandbox, "id" | "info" | "run" | "ports">,
): SandboxEgress => {
  const { policy } = settings
  // The attempts that the driver reports for a list of destinations.
  const listed = ask(driver.egressAttempts(id))
  const way = () => waysOut.of(info)
  return {
    get rules() {
      return way()?.rules()
    },
    update: Effect.fn("Sandbox.egress.update")(function* (rules) {
      if (way() === undefined) {
        if (info.network === "bridge") return yield* ownNetwork
        yield* checkNetwork(policy)
      }
      yield* waysOut.check(rules)
      const decided = yield* decideEgress(policy, rules, "bridge")
      if (decided !== undefined && isEgressRules(decided)) {
        yield* whileOpen(waysOut.set(decided, sandbox()))
      }
    }),
    attempts: Effect.suspend(() => {
      const attempts = way()?.attempts
      return attempts === undefined ? listed : whileOpen(attempts)
    }),
    watch: streamWhileOpen(
      Stream.suspend((): Stream.Stream<EgressAttempt, InvalidInput> => {
        return way()?.watch ?? Stream.fail(noRules)
      }),
    ),
  }
}
