export { createSandboxes, layerSandboxes } from "./createSandboxes.ts"
export type * from "./options.ts"
export type * from "./PromiseSandbox.ts"
export type * from "./PromiseSandboxes.ts"
