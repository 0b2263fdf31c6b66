import { once } from "node:events"
import { createServer as createTls, type TLSSocket } from "node:tls"
import { afterEach, assert, describe, it } from "vitest"
import { makeAuthority } from "../../../test/support/certificates.ts"
import { portOf } from "../../../test/support/portOf.ts"
import { ask, askHttp2, type Destination, startProxy, tlsTo, webSocketRequest } from "./support.ts"

const stack: Array<() => Promise<unknown>> = []
afterEach(async () => {
  for (const end of stack.splice(0)) await end()
})

/** A destination that speaks TLS, and then whatever it wants. */
const startRaw = async (speak: (socket: TLSSocket) => void): Promise<Destination> => {
  const authority = makeAuthority("Destinations")
  const sockets = new Set<TLSSocket>()
  const server = createTls(authority.server(["DNS:api.test"]), (socket) => {
    sockets.add(socket)
    socket.on("close", () => sockets.delete(socket)).on("error", () => {})
    speak(socket)
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const end = async () => {
    for (const socket of sockets) socket.destroy()
    server.close()
    await once(server, "close")
  }
  stack.push(end)
  return {
    port: portOf(server),
    ca: authority.ca,
    received: [],
    connections: sockets,
    [Symbol.asyncDispose]: end,
  }
}
const answering = (answer: string) =>
  startRaw((socket) => socket.once("data", () => socket.write(answer)))

const rulesOf = ({ port }: Destination, rule = {}) => ({ allow: { [`api.test:${port}`]: rule } })
const inspected = { paths: ["/**"] }

describe("an answer that no server may give", () => {
  it.each([
    "HTTP/1.1 000 Nothing\r\ncontent-length: 2\r\n\r\nhi",
    "HTTP/1.1 042 Little\r\ncontent-length: 2\r\n\r\nhi",
    "HTTP/1.1 600 Much\r\ncontent-length: 2\r\n\r\nhi",
    "HTTP/1.1 999 Request denied\r\ncontent-length: 2\r\n\r\nhi",
    "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: other\r\n\r\nhi",
    "nothing of HTTP\r\n\r\n",
  ])("becomes a failure, by HTTP/1.1 and HTTP/2: %j", async (answer) => {
    const destination = await answering(answer)
    await using proxy = await startProxy(destination, rulesOf(destination, inspected))
    assert.strictEqual((await ask(proxy, destination)).status, 502)
    const authority = `api.test:${destination.port}`
    assert.strictEqual(
      (await askHttp2(proxy, destination, { ":authority": authority })).status,
      502,
    )
    assert.deepStrictEqual(
      proxy.attempts.map(({ outcome }) => outcome),
      ["failed", "failed"],
    )
  })
})

describe("a destination that answers before it has the whole request", () => {
  it("gets no more of it under rules that do not allow it", async () => {
    let received = 0
    const destination = await startRaw((socket) => {
      socket.once("data", () => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"))
      socket.on("data", (bytes) => {
        received += bytes.length
      })
    })
    await using proxy = await startProxy(destination, rulesOf(destination, inspected))
    const tls = await tlsTo(proxy, destination)
    tls.on("error", () => {})
    const closed = new Promise((resolve) => tls.once("close", resolve))
    tls.write(
      `POST /up HTTP/1.1\r\nHost: api.test:${destination.port}\r\nContent-Length: 100000\r\n\r\nstart`,
    )
    await once(tls, "data")
    assert.isEmpty(proxy.attempts)
    proxy.update({ allow: {} })
    const before = received
    tls.write("x".repeat(10_000))
    await closed
    assert.strictEqual(received, before)
    assert.deepInclude(proxy.attempts[0], { outcome: "ended", reason: "the rules have changed" })
  })
})

describe("a destination that says nothing", () => {
  it("keeps no connection when the WebSocket's program has left", async () => {
    const destination = await startRaw((socket) => void socket.resume())
    await using proxy = await startProxy(destination, rulesOf(destination, inspected))
    const tls = await tlsTo(proxy, destination)
    tls.write(webSocketRequest(`api.test:${destination.port}`))
    while (destination.connections.size === 0) await new Promise((resolve) => setImmediate(resolve))
    tls.destroy()
    while (destination.connections.size > 0) await new Promise((resolve) => setImmediate(resolve))
    assert.deepInclude(proxy.attempts[0], {
      outcome: "failed",
      reason: "the sandbox closed the connection",
    })
  })
})
