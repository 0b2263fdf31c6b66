// It says so on a Node that is too old.
import "@cordon/core"

export { layer, type MemoryOptions, memory } from "./MemoryDriver.ts"
