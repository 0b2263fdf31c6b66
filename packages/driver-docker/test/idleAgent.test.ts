import { once } from "node:events"
import { createServer, request } from "node:http"
import { inspect } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { IdleAgent } from "../src/engine/idleAgent.ts"

describe("the agent of an engine's calls", () => {
  it("hides its connections in inspect()", async () => {
    const server = createServer((_, response) => response.end())
    server.listen(0, "127.0.0.1")
    await once(server, "listening")
    const address = server.address()
    assert(address !== null && typeof address === "object")
    const agent = new IdleAgent()
    const { port } = address
    const sent = request({ agent, host: "127.0.0.1", port }).end()
    await once(sent, "response")
    const shown = inspect({ agent }, { showHidden: true, depth: null })
    assert.strictEqual(shown, "{ agent: IdleAgent {} }")
    agent.destroy()
    server.close()
  })
})
