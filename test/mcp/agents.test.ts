import type { Script, Seen } from "../frameworks/script.ts"
import { nextCalls } from "../frameworks/script.ts"
import { type Agent, frameworkSuite } from "../frameworks/suite.ts"
import {
  type Connection,
  connectHttp,
  connectModernHttp,
  connectModernStdio,
  connectStdio,
  startHttp,
} from "./clients.ts"

/** An agent loop over an MCP client, as every host of MCP servers has one. */
const agentOver = ({ call, close }: Connection, stop = async () => {}): Agent => {
  return {
    run: async (script: Script, signal) => {
      const seen: Array<Seen> = []
      while (true) {
        const calls = nextCalls(script, seen)
        if (calls.length === 0) return script.text
        const results = calls.map(async ({ id, name, input }) => {
          const { text, ok } = await call(name, input, { signal })
          return { id, text, failed: !ok }
        })
        seen.push(...(await Promise.all(results)))
      }
    },
    call,
    // A client that cancelled hears no more of its call: see the processes.
    running: () => 0,
    close: async () => {
      await close()
      await stop()
    },
  }
}

frameworkSuite("MCP over stdio", async (_, where) => agentOver(await connectStdio(where)), {
  inProcess: false,
})

frameworkSuite(
  "MCP over stdio, revision 2026-07-28",
  async (_, where) => agentOver(await connectModernStdio(where)),
  { inProcess: false },
)

frameworkSuite(
  "MCP over HTTP",
  async (_, where) => {
    const { url, stop } = await startHttp(where)
    return agentOver(await connectHttp(url), stop)
  },
  { inProcess: false },
)

frameworkSuite(
  "MCP over HTTP, revision 2026-07-28",
  async (_, where) => {
    const { url, stop } = await startHttp(where)
    return agentOver(await connectModernHttp(url), stop)
  },
  { inProcess: false },
)
