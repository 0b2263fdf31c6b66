/** The parts of an egress proxy, loaded with the first one. */
export { parseRules } from "./leads.ts"
export { Placeholders } from "./placeholders.ts"
export { makeWayOut } from "./wayOut.ts"
