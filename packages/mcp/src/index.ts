// It says so on a Node that is too old.
import "@cordon/core"

export { parseExtraTools } from "@cordon/tools"
export type { GuardOptions } from "./http/guard.ts"
export { type HttpEndpoint, type HttpOptions, serveHttp } from "./http.ts"
export { createMcpServer, type McpServer, type McpServerOptions } from "./promise.ts"
export type { McpOptions } from "./session.ts"
export { type StdioOptions, serveStdio } from "./stdio.ts"
