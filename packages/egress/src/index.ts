// It says so on a Node that is too old.
import "@cordon/core"

export type { Ask, EgressAttempt } from "./Exchanges.ts"
export {
  type EgressEnvironment,
  type EgressOptions,
  makeEgress,
  type SandboxEgress,
} from "./egress.ts"
export type { EgressRule, EgressRules, Secret, Subject } from "./policy.ts"
