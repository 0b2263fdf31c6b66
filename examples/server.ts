// One server, a session for each user. Run: node --conditions=@cordon/source examples/server.ts
import { once } from "node:events"
import { createServer } from "node:http"
import { text } from "node:stream/consumers"
import { createSandboxes } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { memory } from "@cordon/driver-memory"
import { createTools, type PromiseToolset } from "@cordon/tools"

// One connection to the engine, one reaper, however many users there are.
await using sandboxes = createSandboxes({
  driver: process.env["CORDON_DRIVER"] === "memory" ? memory() : docker(),
  network: "none",
  limits: { memory: "256MiB" },
})

const users = new Map<string, PromiseToolset>()
const toolsOf = (user: string): PromiseToolset => {
  const tools = users.get(user) ?? createTools({ sandboxes, sessionId: user })
  users.set(user, tools)
  return tools
}

/** The user of a request, from your server's own authentication; never from the user's own claims. */
const userOf = (authorization = "") => authorization.replace("Bearer token-of-", "")

const server = createServer(async (request, response) => {
  const user = userOf(request.headers.authorization)
  if (request.url === "/leave") {
    // Removes this user's sandboxes, and nobody else's.
    await users.get(user)?.close()
    users.delete(user)
    response.end("bye\n")
    return
  }
  const { byName, sandboxes: theirs } = toolsOf(user)
  if ((await theirs.list()).length === 0) await byName.sandbox_create.execute({ name: "work" })
  const command = await text(request)
  const result = await byName.sandbox_exec.execute({ sandbox: "work", command })
  response.end(`${result.text}\n`)
})
await once(server.listen(0, "127.0.0.1"), "listening")
const address = server.address()
const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`

const ask = async (user: string, path: string, body = "") => {
  const headers = { authorization: `Bearer token-of-${user}` }
  const answer = await fetch(`${url}${path}`, { method: "POST", headers, body })
  console.log(`${user}: ${(await answer.text()).trim()}`)
}
await Promise.all([ask("ada", "/run", "echo ada > me"), ask("bob", "/run", "echo bob > me")])
await ask("ada", "/run", "cat me")
await ask("ada", "/leave")
await ask("bob", "/run", "cat me")
server.close()
server.closeAllConnections()
