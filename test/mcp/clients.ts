/**
 * The official clients: that of the SDK's first generation, which most programs have (revisions with
 * MCP sessions), and that of the second one, which speaks the stateless revision as well.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { publicRegistries } from "@cordon/core"
import type { ToolResult } from "@cordon/tools"
import {
  Client as ModernClient,
  StreamableHTTPClientTransport as ModernHttp,
} from "@modelcontextprotocol/client"
import { StdioClientTransport as ModernStdio } from "@modelcontextprotocol/client/stdio"
import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StdioClientTransport } from "@modelcontextprotocol/sdk/client/stdio.js"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import type { Transport } from "@modelcontextprotocol/sdk/shared/transport.js"
import { Schema } from "effect"
import type { Where } from "../frameworks/suite.ts"

const script = join(import.meta.dirname, "..", "..", "examples", "mcp-server.ts")

const registry = process.env["CORDON_TEST_REGISTRY"]
const registries = [...publicRegistries, ...(registry === undefined ? [] : [registry])]

/** How to start the server as a process of its own. */
export const serverProcess = ({ driver, folder }: Where, ...more: ReadonlyArray<string>) => ({
  command: process.execPath,
  args: ["--conditions=@cordon/source", script, "--files", folder, ...more],
  env: Object.fromEntries(
    Object.entries({
      ...process.env,
      CORDON_DRIVER: driver,
      CONTAINER_SANDBOX_IMAGE: process.env["CORDON_TEST_IMAGE"],
      CONTAINER_SANDBOX_ALLOW_REGISTRIES: registries.join(","),
    }).filter((entry): entry is [string, string] => entry[1] !== undefined),
  ),
})

/** Starts the server over HTTP; `stop` ends it as a service manager does. */
export const startHttp = async (where: Where) => {
  const { command, args, env } = serverProcess(where, "--http", "0")
  const child = spawn(command, args, { env, stdio: ["ignore", "inherit", "pipe"] })
  const exited = once(child, "exit")
  for await (const line of createInterface({ input: child.stderr })) {
    const url = /serves MCP at (\S+)/.exec(line)?.[1]
    if (url === undefined) continue
    child.stderr.resume()
    const stop = async () => {
      child.kill("SIGTERM")
      await exited
    }
    return { url: new URL(url), stop }
  }
  throw new Error("the server ended before it served")
}

const Told = Schema.Struct({
  content: Schema.Tuple([Schema.Struct({ type: Schema.Literal("text"), text: Schema.String })]),
  structuredContent: Schema.optional(Schema.Record(Schema.String, Schema.Unknown)),
  isError: Schema.optional(Schema.Boolean),
})

export interface CallOptions {
  readonly signal?: AbortSignal
  readonly onprogress?: (progress: {
    readonly progress: number
    message?: string | undefined
  }) => void
}

/** A client's face that the tests use, whichever client it is. */
export interface Connection {
  readonly call: (name: string, input: unknown, options?: CallOptions) => Promise<ToolResult>
  /** Ends the MCP session, where there is one, and the connection. */
  readonly close: () => Promise<void>
}

interface AnyClient {
  readonly callTool: (
    name: string,
    input: Record<string, unknown>,
    options: CallOptions,
  ) => Promise<unknown>
  readonly close: () => Promise<void>
}

const connection = ({ callTool, close }: AnyClient): Connection => ({
  call: async (name, input, options = {}) => {
    const args = Schema.decodeUnknownSync(Schema.Record(Schema.String, Schema.Unknown))(input)
    const told = Schema.decodeUnknownSync(Told)(await callTool(name, args, options))
    const [{ text }] = told.content
    if (told.isError === true) {
      return { ok: false, text, error: { tag: "", message: text.replace(/^Error: /, "") } }
    }
    return { ok: true, text, output: told.structuredContent ?? {} }
  },
  close,
})

const info = { name: "cordon-test", version: "1.0.0" }

/** Longer than any test: what ends a call here is the test. */
const timeout = 120_000

export const connectStdio = async (
  where: Where,
  ...more: ReadonlyArray<string>
): Promise<Connection> => {
  const client = new Client(info)
  const server = serverProcess(where, ...more)
  await client.connect(new StdioClientTransport({ ...server, stderr: "inherit" }))
  // From now on the client checks what comes against the output schemas.
  await client.listTools()
  return connection({
    callTool: (name, args, options) =>
      client.callTool({ name, arguments: args }, undefined, { timeout, ...options }),
    close: () => client.close(),
  })
}

export const connectHttp = async (
  url: URL,
  headers: Record<string, string> = {},
): Promise<Connection & { readonly transport: StreamableHTTPClientTransport }> => {
  const client = new Client(info)
  const transport = new StreamableHTTPClientTransport(url, { requestInit: { headers } })
  if (!isTransport(transport)) throw new Error("the SDK's own transport is none")
  await client.connect(transport)
  await client.listTools()
  return {
    transport,
    ...connection({
      callTool: (name, args, options) =>
        client.callTool({ name, arguments: args }, undefined, { timeout, ...options }),
      close: async () => {
        await transport.terminateSession()
        await client.close()
      },
    }),
  }
}

/** What the types can't tell: they were not made for exact optional properties. */
const isTransport = (transport: object): transport is Transport => "send" in transport

const modernClient = () =>
  new ModernClient(info, { versionNegotiation: { mode: { pin: "2026-07-28" } } })

const modern = (client: ModernClient) =>
  connection({
    callTool: (name, args, options) =>
      client.callTool({ name, arguments: args }, { timeout, ...options }),
    close: () => client.close(),
  })

export const connectModernStdio = async (where: Where): Promise<Connection> => {
  const client = modernClient()
  await client.connect(new ModernStdio({ ...serverProcess(where), stderr: "inherit" }))
  await client.listTools()
  return modern(client)
}

export const connectModernHttp = async (url: URL): Promise<Connection> => {
  const client = modernClient()
  await client.connect(new ModernHttp(url))
  await client.listTools()
  return modern(client)
}
