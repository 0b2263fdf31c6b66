// It says so on a Node that is too old.
import "@cordon/core"

export type { MemoryOptions } from "./create.ts"
export { layer, memory } from "./MemoryDriver.ts"
