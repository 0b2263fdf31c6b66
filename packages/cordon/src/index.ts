// Imported for its check, which reports a Node that is too old.
import "@cordon/core"

export {
  type CordonError,
  type CreateSandboxesOptions,
  createSandboxes,
  type PromiseSandboxes,
  type SandboxInfo,
  sessionFilesDirectory,
} from "@cordon/core"
export { type DockerOptions, docker } from "@cordon/driver-docker"
export type {
  ConnectOptions,
  CreateOptions,
  SandboxAddress,
  SandboxPlace,
  SandboxSettings,
} from "./options.ts"
export { Sandbox } from "./sandbox.ts"
