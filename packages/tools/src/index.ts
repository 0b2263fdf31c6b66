export { type Capability, containerSandbox, containerSandboxCapability } from "./capability.ts"
export { BinaryFile, type ToolError } from "./errors.ts"
export { containerSandboxEnabled } from "./featureFlag.ts"
export { codingContainer, codingContainerHarness, type Harness } from "./harness.ts"
export { createTools, type PromiseTool, type PromiseToolset } from "./promise.ts"
export type {
  Tool,
  ToolAnnotations,
  ToolDefinition,
  ToolInfo,
  ToolResult,
  TypedTool,
} from "./Tool.ts"
export { type BoundTool, makeToolset, type Toolset } from "./Toolset.ts"
export { sandboxTools, type ToolName } from "./tools.ts"
