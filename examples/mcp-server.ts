/**
 * Cordon's sandboxes for any MCP client.
 *
 * Over stdio, for clients that start the server:
 *     node --conditions=@cordon/source examples/mcp-server.ts
 *
 * Over HTTP, on loopback:
 *
 *     node --conditions=@cordon/source examples/mcp-server.ts --http 3000
 *
 * `--files FOLDER` lets clients copy files between that folder and their sandboxes. `--session NAME`
 * keeps the sandboxes for the next process with that name. `--extra edit,patch` offers tools beside the
 * eight. No engine at hand? `CORDON_DRIVER=memory`
 * runs it without one.
 */
import { parseArgs } from "node:util"
import { sessionFilesDirectory } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { memory } from "@cordon/driver-memory"
import { createMcpServer } from "@cordon/mcp"
import { parseExtraTools } from "@cordon/tools"

const { values } = parseArgs({
  options: {
    http: { type: "string" },
    files: { type: "string" },
    session: { type: "string" },
    extra: { type: "string" },
  },
})
const { files: folder, session, extra } = values
const options = {
  ...(folder === undefined ? {} : { files: () => sessionFilesDirectory(folder) }),
  ...(session === undefined ? {} : { sessionId: session, keep: true }),
  ...(extra === undefined ? {} : { extra: parseExtraTools(extra) }),
}

await using server = createMcpServer({
  driver: process.env["CORDON_DRIVER"] === "memory" ? memory() : docker(),
})
const stopped = new Promise((resolve) => {
  process.once("SIGINT", resolve)
  process.once("SIGTERM", resolve)
})
if (values.http === undefined) {
  await Promise.race([server.stdio(options), stopped])
} else {
  const { url } = await server.http({ port: Number(values.http), ...options })
  // Standard output belongs to the protocol in stdio mode; logs go to standard error in both.
  console.error(`Cordon serves MCP at ${url}`)
  await stopped
}
