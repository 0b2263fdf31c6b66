// Imported for its check, which reports a Node that is too old.
import "@cordon/core"

export { AuditTrail, type ToolCall } from "./AuditTrail.ts"
export { type Capability, containerSandbox, containerSandboxCapability } from "./capability.ts"
export {
  ContainerSandboxConfig,
  type ContainerSandboxOptions,
  configureContainerSandbox,
  containerSandboxOptions,
} from "./configuration.ts"
export {
  BinaryFile,
  EditRefused,
  PatchHalfApplied,
  PictureUnfit,
  type ToolError,
} from "./errors.ts"
export {
  type ExtraTool,
  type ExtraToolName,
  extraInstructions,
  extraSandboxTools,
  parseExtraTools,
} from "./extra.ts"
export { containerSandboxEnabled } from "./featureFlag.ts"
export { codingContainer, codingContainerHarness, type Harness } from "./harness.ts"
export type { ObjectSchema } from "./jsonSchema.ts"
export type { SandboxToolName } from "./oneSandbox.ts"
export type { PictureType } from "./picture.ts"
export { OnToolProgress, type ToolProgress } from "./progress.ts"
export { createTools } from "./promise/createTools.ts"
export type {
  CreateToolsOptions,
  ExtraTools,
  PromiseSandboxToolset,
  PromiseTool,
  PromiseTools,
  PromiseToolset,
  SandboxToolsOptions,
  SharedToolsOptions,
} from "./promise/PromiseTool.ts"
export type {
  Tool,
  ToolAnnotations,
  ToolDefinition,
  ToolFailure,
  ToolInfo,
  ToolPicture,
  ToolResult,
  TypedTool,
} from "./Tool.ts"
export { type BoundTool, makeSandboxToolset, makeToolset, type Toolset } from "./Toolset.ts"
export {
  type AnyToolName,
  sandboxTools,
  type ToolInput,
  type ToolName,
  type ToolOutput,
} from "./tools.ts"
