export { layer, type MemoryOptions, memory } from "./MemoryDriver.ts"
