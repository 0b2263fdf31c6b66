/** The parts of an egress proxy, loaded with the first one. */
export { Placeholders } from "./placeholders.ts"
export { parsePolicy } from "./policy.ts"
export { makeWayOut } from "./wayOut.ts"
