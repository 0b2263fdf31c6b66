/**
 * A program that uses Cordon's MCP server, with the official client.
 *
 *     node --conditions=@cordon/source examples/mcp-client.ts
 *
 * No engine at hand? `CORDON_DRIVER=memory` runs it without one.
 */
import { join } from "node:path"
import { Client } from "@modelcontextprotocol/client"
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio"

const client = new Client({ name: "example", version: "1.0.0" })
await client.connect(
  new StdioClientTransport({
    command: process.execPath,
    args: ["--conditions=@cordon/source", join(import.meta.dirname, "mcp-server.ts")],
    env: Object.fromEntries(
      Object.entries(process.env).flatMap(([name, value]) =>
        value === undefined ? [] : [[name, value]],
      ),
    ),
    // The server's log.
    stderr: "inherit",
  }),
)

const { tools } = await client.listTools()
console.log(tools.map(({ name, annotations }) => `${name}: ${annotations?.title}`).join("\n"))

const call = async (name: string, args: Record<string, unknown>) => {
  const { content } = await client.callTool(
    { name, arguments: args },
    {
      onprogress: ({ message }) => console.log(`    ... ${message}`),
    },
  )
  for (const part of content) if (part.type === "text") console.log(part.text)
}

await call("sandbox_create", { name: "demo", memory: "256MiB" })
await call("sandbox_exec", { sandbox: "demo", command: "echo Hello from MCP > greeting" })
await call("sandbox_read_file", { sandbox: "demo", path: "greeting" })

// The server ends with its client, and removes its sandboxes.
await client.close()
