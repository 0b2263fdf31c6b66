export type { ImageFiles } from "./images.ts"
export { layer, type MemoryOptions, memory } from "./memory.ts"
