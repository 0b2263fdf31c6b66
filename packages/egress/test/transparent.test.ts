import { once } from "node:events"
import { type IncomingMessage, request } from "node:http"
import { connect as connectTcp, createServer, type Server, type Socket } from "node:net"
import { buffer } from "node:stream/consumers"
import { createSecureContext, TLSSocket } from "node:tls"
import type { EgressRules } from "@cordon/core"
import { assert, describe, it } from "vitest"
import { makeAuthority } from "../../../test/support/certificates.ts"
import { portOf } from "../../../test/support/portOf.ts"
import { cutOff, key, secured, startForFile, startProxy, type TestProxy } from "./support.ts"

const { destination, at, withKey } = await startForFile()

const listening = async (server: Server) => {
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return portOf(server)
}

/** Connections as programs inside make them that use no proxy, to a port of 127.0.0.1. */
const startInside = async (
  stack: AsyncDisposableStack,
  rules: EgressRules,
  { port = destination.port, ca = destination.ca, greeting = 10_000 } = {},
) => {
  const proxy = stack.use(await startProxy({ ...destination, ca }, rules, { greeting }))
  const server = createServer({ allowHalfOpen: true }, (socket) =>
    proxy.proxy.takeTransparent(port, socket),
  )
  const listens = await listening(server)
  stack.defer(() => void server.close())
  const open = async (): Promise<Socket> => {
    const socket = connectTcp(listens, "127.0.0.1")
    socket.on("error", () => socket.destroy())
    await once(socket, "connect")
    stack.defer(() => void socket.destroy())
    return socket
  }
  return { proxy, open }
}

/** What comes back after bytes are sent, until the connection is closed. */
const answerTo = async (socket: Socket, ...pieces: ReadonlyArray<string | Uint8Array>) => {
  const heard: Array<Buffer> = []
  socket.on("data", (piece) => heard.push(piece))
  for (const piece of pieces) {
    socket.write(piece)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  if (!socket.closed) await once(socket, "close")
  return Buffer.concat(heard).toString()
}

const fetchBy = async (socket: Socket, host: string, path = "/") => {
  const asking = request({ createConnection: () => socket, path, headers: { host } }).end()
  const [response]: [IncomingMessage] = (await once(asking, "response")) as [IncomingMessage]
  const body = String(await buffer(response))
  socket.destroy()
  return { status: response.statusCode, body }
}

const refusedIn = ({ attempts }: TestProxy) =>
  attempts.map(({ host, outcome, reason }) => [host, outcome, reason])

describe("a TLS connection without a proxy", () => {
  it("is inspected where its rule needs it, and gets the key", async () => {
    await using stack = new AsyncDisposableStack()
    const { proxy, open } = await startInside(stack, withKey())
    const ca = proxy.authority.certificate
    const tls = await secured(await open(), { servername: "api.test", ca })
    const before = destination.received.length
    const { status } = await fetchBy(tls, at("api.test"), "/models")
    assert.strictEqual(status, 200)
    assert.strictEqual(destination.received[before]?.headers.authorization, `Bearer ${key}`)
    assert.deepInclude(proxy.attempts[0], { host: "api.test", path: "/models", outcome: "done" })
  })

  it("passes unread where no rule needs to see it", async () => {
    await using stack = new AsyncDisposableStack()
    const { open } = await startInside(stack, withKey())
    const tls = await secured(await open(), { servername: "other.test", ca: destination.ca })
    assert.strictEqual((await fetchBy(tls, at("other.test"))).status, 200)
  })

  it("is closed when it names an unlisted host, none, or an address, and the attempts tell", async () => {
    await using stack = new AsyncDisposableStack()
    const { proxy, open } = await startInside(stack, withKey())
    const before = destination.connections.size
    for (const servername of ["inside.test", "", "api.test:22"]) {
      await cutOff(secured(await open(), { servername, ca: destination.ca }))
    }
    assert.strictEqual(destination.connections.size, before)
    const [unlisted, ...unnamed] = refusedIn(proxy)
    assert.deepStrictEqual(unlisted?.slice(0, 2), ["inside.test", "refused"])
    assert.lengthOf(unnamed, 2)
    for (const [host, outcome, reason] of unnamed) {
      assert.deepStrictEqual([host, outcome], ["127.0.0.1", "refused"])
      assert.match(reason ?? "", /must name the host \(SNI\)/)
    }
  })

  it("is judged by the port that it was made to", async () => {
    await using stack = new AsyncDisposableStack()
    const { proxy, open } = await startInside(stack, withKey(), { port: 22 })
    await cutOff(secured(await open(), { servername: "other.test", ca: destination.ca }))
    assert.deepInclude(proxy.attempts[0], { host: "other.test", port: 22, outcome: "refused" })
  })

  it("is understood when its greeting comes in pieces", async () => {
    await using stack = new AsyncDisposableStack()
    const { open } = await startInside(stack, withKey())
    const socket = await open()
    // A byte at a time, as no program does.
    const cut = createServer((client) => {
      client.once("data", async (hello) => {
        client.pause()
        for (const byte of hello) {
          socket.write(Buffer.from([byte]))
          await new Promise((resolve) => setImmediate(resolve))
        }
        client.pipe(socket).pipe(client)
      })
    })
    stack.defer(() => void cut.close())
    const through = connectTcp(await listening(cut), "127.0.0.1")
    stack.defer(() => void through.destroy())
    const tls = await secured(through, { servername: "other.test", ca: destination.ca })
    assert.strictEqual((await fetchBy(tls, at("other.test"))).status, 200)
  })

  it("is ended by rules that do not allow it any more", async () => {
    await using stack = new AsyncDisposableStack()
    const { proxy, open } = await startInside(stack, withKey())
    const tls = await secured(await open(), { servername: "other.test", ca: destination.ca })
    tls.resume()
    proxy.update({ allow: {} })
    await once(tls, "close")
    assert.deepInclude(proxy.attempts[0], { host: "other.test", outcome: "ended" })
  })
})

describe("an HTTP request without a proxy", () => {
  it("goes where its header Host says, if the rules allow it", async () => {
    await using stack = new AsyncDisposableStack()
    const plain = createServer((socket) =>
      socket.once("data", (bytes) => socket.end(`HTTP/1.1 200 OK\r\n\r\n${bytes}`)),
    )
    const port = await listening(plain)
    stack.defer(() => void plain.close())
    const rules = { allow: { [at("api.test", port)]: { paths: ["/open/*"] } } }
    const { proxy, open } = await startInside(stack, rules, { port })
    const fine = await fetchBy(await open(), at("api.test", port), "/open/a")
    assert.match(fine.body, new RegExp(`^GET /open/a HTTP/1.1\r\n.*host: api.test:${port}`, "is"))
    for (const [host, path, status] of [
      [at("api.test", port), "/closed", 403],
      [at("other.test", port), "/open/a", 403],
      ["api.test", "/open/a", 421],
      [at("127.0.0.1", port), "/open/a", 403],
      [at("api.test", port), `http://${at("other.test", port)}/open/a`, 400],
    ] as const) {
      assert.strictEqual((await fetchBy(await open(), host, path)).status, status, host + path)
    }
    assert.deepStrictEqual(
      proxy.attempts.map(({ host, path, outcome }) => [host, path, outcome]),
      [
        ["api.test", "/open/a", "done"],
        ["api.test", "/closed", "refused"],
        ["other.test", "/open/a", "refused"],
        ["api.test", "/open/a", "refused"],
        ["127.0.0.1", undefined, "refused"],
        ["api.test", `http://${at("other.test", port)}/open/a`, "refused"],
      ],
    )
  })

  it("gets no key, and can't ask for a tunnel", async () => {
    await using stack = new AsyncDisposableStack()
    const { open } = await startInside(stack, withKey())
    const { status, body } = await fetchBy(await open(), at("api.test"))
    assert.strictEqual(status, 403)
    assert.match(body, /may be used by https only/)
    const tunnel = `CONNECT ${at("other.test")} HTTP/1.1\r\nHost: ${at("other.test")}\r\n\r\n`
    assert.strictEqual(await answerTo(await open(), tunnel), "")
  })
})

const tlsRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])
const gssRequest = Buffer.from([0, 0, 0, 8, 4, 210, 22, 48])

/** Begins as PostgreSQL does: it asks for TLS, then answers in capitals. @param answer what it says to the request */
const startDatabase = async (stack: AsyncDisposableStack, answer = "S") => {
  const authority = makeAuthority("Databases")
  const secureContext = createSecureContext(authority.server(["DNS:api.test"]))
  let connections = 0
  const server = createServer((socket) => {
    connections++
    socket.on("error", () => socket.destroy())
    socket.once("data", (bytes) => {
      if (!bytes.equals(tlsRequest)) {
        socket.destroy()
        return
      }
      socket.write(answer)
      const tls = new TLSSocket(socket, { isServer: true, secureContext })
      tls.on("error", () => socket.destroy())
      tls.on("data", (said) => tls.write(String(said).toUpperCase()))
    })
  })
  const port = await listening(server)
  stack.defer(() => void server.close())
  return { port, ca: authority.ca, connections: () => connections }
}

describe("a PostgreSQL client without a proxy", () => {
  /** @param first what it asks for */
  const secureAfter = async (socket: Socket, first: Uint8Array, servername: string, ca: string) => {
    socket.write(first)
    const [said] = await once(socket, "data")
    assert.strictEqual(String(said), "S")
    return secured(socket, { servername, ca, alpn: ["postgresql"] })
  }

  it("reaches a listed server by TLS, also after it asked for GSS, and in pieces", async () => {
    await using stack = new AsyncDisposableStack()
    const { port, ca } = await startDatabase(stack)
    const rules = { allow: { [at("api.test", port)]: {} } }
    const { proxy, open } = await startInside(stack, rules, { port })
    for (const kind of ["at once", "pieces", "gss"]) {
      const socket = await open()
      if (kind === "gss") {
        socket.write(gssRequest)
        const [said] = await once(socket, "data")
        assert.strictEqual(String(said), "N")
      }
      if (kind === "pieces") {
        socket.write(tlsRequest.subarray(0, 3))
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
      const first = kind === "pieces" ? tlsRequest.subarray(3) : tlsRequest
      const tls = await secureAfter(socket, first, "api.test", ca)
      tls.write("select")
      const [heard] = await once(tls, "data")
      assert.strictEqual(String(heard), "SELECT", kind)
      const closed = once(tls, "close")
      tls.end()
      await closed
    }
    assert.deepStrictEqual(
      proxy.attempts.map(({ host, port, outcome }) => [host, port, outcome]),
      Array.from({ length: 3 }, () => ["api.test", port, "done"]),
    )
  })

  it("is refused where the rules need to see its content, or do not list the server", async () => {
    await using stack = new AsyncDisposableStack()
    const database = await startDatabase(stack)
    const { port, ca } = database
    const rules = { allow: { [at("api.test", port)]: { methods: ["GET"] } } }
    const { proxy, open } = await startInside(stack, rules, { port })
    for (const name of ["api.test", "other.test", ""]) {
      await cutOff(secureAfter(await open(), tlsRequest, name, ca))
    }
    const reasons = refusedIn(proxy).map(([host, outcome, reason]) => [host, outcome, reason])
    assert.deepStrictEqual(
      reasons.map(([host, outcome]) => [host, outcome]),
      [
        ["api.test", "refused"],
        ["other.test", "refused"],
        ["127.0.0.1", "refused"],
      ],
    )
    assert.match(reasons[0]?.[2] ?? "", /can't be done for PostgreSQL; give api\.test/)
    assert.strictEqual(database.connections(), 0)
  })

  it.each(["N", "E", "Sno TLS of the server's"])(
    "does not go on with a server that answers %s",
    async (answer) => {
      await using stack = new AsyncDisposableStack()
      const { port, ca } = await startDatabase(stack, answer)
      const rules = { allow: { [at("api.test", port)]: {} } }
      const { proxy, open } = await startInside(stack, rules, { port })
      await cutOff(secureAfter(await open(), tlsRequest, "api.test", ca))
      assert.deepInclude(proxy.attempts[0], { host: "api.test", outcome: "failed" })
      assert.match(proxy.attempts[0]?.reason ?? "", /does not offer TLS/)
    },
  )
})

describe("a connection without a proxy that is neither TLS nor HTTP", () => {
  it.each([
    ["PostgreSQL without TLS", Buffer.from("\0\0\0\x16\0\x03\0\0user\0cordon\0\0", "latin1")],
    ["Kafka without TLS", Buffer.from("\0\0\0\x10\0\x12\0\0\0\0\0\0\0\0", "latin1")],
    ["Redis without TLS", "*1\r\n$4\r\nPING\r\n"],
    ["a line of text", "EHLO inside\r\n"],
    ["HTTP/2 without TLS", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    ["text without an end", "x".repeat(20_000)],
  ])("is refused with a reason: %s", async (_, bytes) => {
    await using stack = new AsyncDisposableStack()
    const { proxy, open } = await startInside(stack, withKey())
    assert.strictEqual(await answerTo(await open(), bytes), "")
    const [[host, outcome, reason] = []] = refusedIn(proxy)
    assert.deepStrictEqual([host, outcome], ["127.0.0.1", "refused"])
    assert.match(reason ?? "", /must begin with TLS.*ports\.reverse/)
  })

  it("is closed when the program says nothing, or not enough", async () => {
    await using stack = new AsyncDisposableStack()
    const { proxy, open } = await startInside(stack, withKey(), { greeting: 100 })
    for (const bytes of [[], ["\x16\x03\x01"], [Buffer.from([0, 0, 0])], ["GET / HT"]]) {
      assert.strictEqual(await answerTo(await open(), ...bytes), "")
    }
    assert.deepStrictEqual(
      proxy.attempts.map(({ outcome }) => outcome),
      Array(4).fill("refused"),
    )
  })

  it("is no attempt when it is opened and not used", async () => {
    await using stack = new AsyncDisposableStack()
    const { proxy, open } = await startInside(stack, withKey())
    const socket = await open()
    socket.end()
    socket.resume()
    await once(socket, "close")
    assert.isEmpty(proxy.attempts)
  })
})
