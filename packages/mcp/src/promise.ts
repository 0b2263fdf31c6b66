import {
  Closed,
  type CreateSandboxesOptions,
  checkInput,
  checkSettings,
  createSandboxesFields,
  layerSandboxes,
  makeRuntime,
  optionNames,
  optionsOf,
} from "@cordon/core"
import { extraSandboxTools } from "@cordon/tools"
import { Deferred, Effect, Exit, Record, Schema, Scope } from "effect"
import { type HttpEndpoint, type HttpOptions, serveHttp } from "./http.ts"
import { type StdioOptions, serveStdio } from "./stdio.ts"

/** What the sandboxes of MCP clients run on. What belongs to a session is said where it is served. */
export type McpServerOptions = Omit<CreateSandboxesOptions, "sessionId" | "files" | "removeOnClose">

const { sessionId: _, files: __, removeOnClose: ___, driver, ...settings } = createSandboxesFields

/** Looked at where it is used, with an error that says what is expected. */
const any = Schema.Unknown
const extra = Schema.Array(Schema.Literals(Record.keys(extraSandboxTools)))
const session = { files: any, extra, keep: Schema.Boolean, sessionId: Schema.String }

const shapes = {
  server: optionsOf(settings, { driver }),
  stdio: optionNames<StdioOptions>(session),
  http: optionNames<HttpOptions>({
    ...session,
    host: Schema.String,
    port: Schema.Number,
    token: Schema.String,
    allowedHosts: Schema.Array(Schema.String),
    allowedOrigins: Schema.Array(Schema.String),
    maxSessions: Schema.Number,
    maxConnections: Schema.Number,
    requestTimeout: any,
    sessionTimeout: any,
  }),
}

/** The sandbox tools for MCP clients, for programs that do not use Effect. */
export interface McpServer extends AsyncDisposable {
  /**
   * Serves one client over standard input and output; resolves when it has gone, or on `close`. All
   * logs go to standard error.
   *
   * @example
   * await server.stdio({ sessionId: "my-editor", keep: true })
   */
  readonly stdio: (options?: StdioOptions) => Promise<void>
  /**
   * Serves any number of clients over streamable HTTP, until `close`.
   *
   * @example
   * const { url } = await server.http({ port: 3000, token: "a-long-random-secret" })
   */
  readonly http: (options?: HttpOptions) => Promise<HttpEndpoint>
  /**
   * Ends all sessions (commands are killed, sandboxes removed) and lets go.
   *
   * @example
   * process.once("SIGTERM", () => void server.close())
   */
  readonly close: () => Promise<void>
}

/**
 * Cordon's tools as an MCP server.
 *
 * @example
 * import { docker } from "@cordon/driver-docker"
 * import { createMcpServer } from "@cordon/mcp"
 *
 * await using server = createMcpServer({ driver: docker() })
 * const { url } = await server.http({ port: 3000 })
 */
export const createMcpServer = (options: McpServerOptions): McpServer => {
  checkInput("options of createMcpServer", shapes.server, options)
  checkSettings(options)
  const runtime = makeRuntime(layerSandboxes(options))
  const scope = Scope.makeUnsafe()
  const closing = Deferred.makeUnsafe<void>()
  const served = new Set<Promise<void>>()
  let isClosed = false
  let servesHttp = false
  const open = () => {
    if (isClosed) throw new Closed({ subject: "MCP server" })
  }
  const close = async () => {
    isClosed = true
    Deferred.doneUnsafe(closing, Exit.void)
    await Promise.allSettled(served)
    const closeScope = Scope.close(scope, Exit.void)
    // On the runtime, which keeps the process alive until the last sandbox is removed.
    await (servesHttp ? runtime.runPromise(closeScope) : Effect.runPromise(closeScope))
    await runtime.dispose()
  }
  return {
    stdio: async (options = {}) => {
      checkInput("options of stdio", shapes.stdio, options)
      open()
      const serving = runtime.runPromise(
        Effect.raceFirst(serveStdio(options), Deferred.await(closing)),
      )
      served.add(serving)
      await serving
    },
    http: async (options = {}) => {
      checkInput("options of http", shapes.http, options)
      open()
      const endpoint = await runtime.runPromise(Scope.provide(serveHttp(options), scope))
      servesHttp = true
      return endpoint
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}
