// Imported for its check, which reports a Node that is too old.
import "@cordon/core"

export { egressBroker } from "./egressBroker.ts"
export type { EgressBrokerOptions, EgressRequest } from "./options.ts"
export type { Subject } from "./policy.ts"
