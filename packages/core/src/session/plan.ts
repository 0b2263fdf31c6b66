/** Decides what a sandbox is made with. Nothing here asks a host or changes one. */
import { Duration, Effect } from "effect"
import type { DriverCapabilities } from "../driver/capabilities.ts"
import {
  InvalidInput,
  InvalidLimits,
  type LimitsNotEnforced,
  type NotAllowed,
  type RuntimeUnavailable,
  Unsupported,
} from "../errors.ts"
import { type Decision, decide } from "../Policy.ts"
import type { Settings } from "../Settings.ts"
import type { EgressPolicy } from "../values/Egress.ts"
import { type EgressRules, isEgressRules } from "../values/EgressRules.ts"
import type { CreateOptions, LeaseTerms, SandboxSpec } from "../values/Sandbox.ts"
import type { SandboxName } from "../values/SandboxName.ts"

/** The options of a creation, after its schema has checked them. */
export interface Wanted extends Omit<(typeof CreateOptions)["Type"], "egress"> {
  readonly egress?: EgressPolicy | EgressRules | undefined
}

/** What a plan depends on, beside the options of the creation. */
export interface PlanContext {
  readonly settings: Pick<
    Settings["Service"],
    "policy" | "quotas" | "idleTimeout" | "removeTimeout"
  >
  readonly host: DriverCapabilities
  /** `LeaseStore.id` of the store that the sandbox's lease will be in. */
  readonly store: string | undefined
}

/** What a sandbox is made with. */
export interface SandboxPlan {
  /** All that its driver needs but its image, since a snapshot's image has to be looked up. */
  readonly spec: Omit<SandboxSpec, "image">
  /** The rules of a way out that this program is. The sandbox has no network then. */
  readonly rules: EgressRules | undefined
}

/** Why a creation is refused before anything is made. */
export type PlanError =
  | InvalidInput
  | InvalidLimits
  | LimitsNotEnforced
  | NotAllowed
  | RuntimeUnavailable
  | Unsupported

/** Plans a sandbox from what its creator wants, what the settings allow and what the host offers. */
export const plan = Effect.fnUntraced(function* (
  name: SandboxName,
  wanted: Wanted,
  { settings, host, store }: PlanContext,
): Effect.fn.Return<SandboxPlan, PlanError> {
  const decision = yield* decide(settings.policy, wanted, host)
  yield* checkDisk(decision, settings)
  yield* checkEgress(decision, host)
  yield* checkSource(wanted)
  const { env = {}, workdir, user, tags } = wanted
  const { runtime, limits } = decision
  const { rules, ...network } = wayOut(decision)
  return {
    spec: {
      name,
      runtime,
      limits,
      ...network,
      lease: leaseTerms(decision, settings, host, store),
      env,
      workdir,
      user,
      tags: tags !== undefined && Object.keys(tags).length > 0 ? tags : undefined,
    },
    rules,
  }
})

/** Under rules nothing but this program leads out: the driver gives the sandbox no network. */
const wayOut = ({ egress, network }: Decision) =>
  egress !== undefined && isEgressRules(egress)
    ? { network: "none" as const, rules: egress }
    : { network, egress, rules: undefined }

/** A quota of disk space can be kept only if each sandbox has a limit of it. */
const checkDisk = (
  { limits }: Decision,
  { quotas }: PlanContext["settings"],
): Effect.Effect<void, InvalidLimits> => {
  const hasQuota = quotas.session.disk !== undefined || quotas.host.disk !== undefined
  return hasQuota && limits.disk === undefined
    ? Effect.fail(
        new InvalidLimits({
          limit: "disk",
          given: "missing",
          expected: "a size, because a quota of disk space is set",
        }),
      )
    : Effect.void
}

/** A list or rules need a network with a way out, and a list a driver that can hold it. */
const checkEgress = (
  { egress, network }: Decision,
  { driver, features }: DriverCapabilities,
): Effect.Effect<void, InvalidInput | Unsupported> => {
  if (egress === undefined) return Effect.void
  if (network !== "bridge") {
    return Effect.fail(
      new InvalidInput({
        subject: "egress",
        issue: `it needs the network "bridge", but the network is "${network}"; leave one of the two out`,
      }),
    )
  }
  return isEgressRules(egress) || features.includes("egress")
    ? Effect.void
    : Effect.fail(new Unsupported({ feature: "egress", driver }))
}

const checkSource = ({ image, snapshot }: Wanted): Effect.Effect<void, InvalidInput> =>
  image !== undefined && snapshot !== undefined
    ? Effect.fail(
        new InvalidInput({
          subject: "sandbox options",
          issue: "give either an image or a snapshot",
        }),
      )
    : Effect.void

/** When a sandbox that nobody uses is stopped and removed. */
const leaseTerms = (
  { runtime }: Decision,
  { idleTimeout, removeTimeout }: PlanContext["settings"],
  { runtimes }: DriverCapabilities,
  store: string | undefined,
): LeaseTerms => {
  const keepsFiles = runtimes.some((offer) => offer.runtime === runtime && offer.keepsFiles)
  return {
    // Without files that outlive a stop, an idle sandbox runs on until it is removed.
    idleTimeout: Duration.toMillis(keepsFiles ? idleTimeout : removeTimeout),
    removeTimeout: Duration.toMillis(removeTimeout),
    store,
  }
}
