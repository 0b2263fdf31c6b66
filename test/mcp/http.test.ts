import { once } from "node:events"
import { request } from "node:http"
import { connect } from "node:net"
import { InvalidInput, SandboxDriver, Sandboxes } from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { createMcpServer, serveHttp } from "@cordon/mcp"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { connectHttp, connectModernHttp } from "./clients.ts"

type Options = Parameters<ReturnType<typeof createMcpServer>["http"]>[0]

const serving = async (options: Options, body: (url: URL) => Promise<void>) => {
  await using server = createMcpServer({ driver: memory() })
  const { url } = await server.http(options)
  await body(new URL(url))
}

const initialize = JSON.stringify({
  jsonrpc: "2.0",
  id: 1,
  method: "initialize",
  params: {
    protocolVersion: "2025-11-25",
    capabilities: {},
    clientInfo: { name: "raw", version: "1" },
  },
})

interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: string
}

/** A request with headers that `fetch` would not let through. */
const send = (url: URL, headers: Record<string, string>, method = "POST", body = initialize) =>
  new Promise<Answer>((resolve, reject) => {
    const outgoing = request(
      url,
      {
        method,
        headers: {
          "content-type": "application/json",
          accept: "application/json, text/event-stream",
          ...headers,
        },
      },
      async (response) => {
        const body = Buffer.concat(await response.toArray()).toString("utf8")
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body })
      },
    )
    outgoing.on("error", reject).end(method === "POST" ? body : undefined)
  })

/** What a server says on a connection until it closes it. */
const heard = async (url: URL, text: string) => {
  const socket = connect(Number(url.port), "127.0.0.1")
  if (text !== "") socket.write(text)
  return Buffer.concat(await socket.toArray()).toString("utf8")
}

const token = "a-token-of-some-length"

const refusal = async (options: Options) => {
  await using server = createMcpServer({ driver: memory() })
  const error = await server.http(options).then(
    () => assert.fail("it served"),
    (error: unknown) => error,
  )
  assert.instanceOf(error, InvalidInput)
  return error.message
}

describe("MCP sessions over HTTP", () => {
  it("have their own sandboxes, which are removed with the session", () =>
    serving({}, async (url) => {
      const one = await connectHttp(url)
      const two = await connectHttp(url)
      await one.call("sandbox_create", { name: "box" })
      await two.call("sandbox_create", { name: "box" })
      await one.call("sandbox_write_file", { sandbox: "box", path: "whose", content: "one's" })
      const other = await two.call("sandbox_read_file", { sandbox: "box", path: "whose" })
      assert.match(other.text, /^Error: .*whose/)

      const running = one.call("sandbox_exec", { sandbox: "box", command: "sleep 600" })
      const ended = running.catch(() => "ended")
      const { sessionId = "" } = one.transport
      await one.close()
      assert.strictEqual(await ended, "ended")
      const late = await send(url, { "mcp-session-id": sessionId })
      assert.strictEqual(late.status, 404)
      assert.match(late.body, /This session has ended: initialize another one/)
      assert.match((await two.call("sandbox_list", {})).text, /^box: running/)
      await two.close()
    }))

  it("are not used from revision 2026-07-28 on: its clients share sandboxes", () =>
    serving({}, async (url) => {
      const one = await connectModernHttp(url)
      const two = await connectModernHttp(url)
      const sessionful = await connectHttp(url)
      await one.call("sandbox_create", { name: "shared" })
      await one.close()
      assert.match((await two.call("sandbox_list", {})).text, /^shared: running/)
      assert.match((await sessionful.call("sandbox_list", {})).text, /no such sandboxes/)
      await two.close()
      await sessionful.close()
    }))

  for (const keep of [false, true]) {
    it.live(`${keep ? "keep" : "remove"} their sandboxes at the end when configured to`, () =>
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        const { url } = yield* serveHttp({ keep })
        const client = yield* Effect.promise(() => connectHttp(new URL(url)))
        yield* Effect.promise(() => client.call("sandbox_create", { name: "box" }))
        assert.lengthOf(yield* driver.list(), 1)
        yield* Effect.promise(() => client.close())
        assert.lengthOf(yield* driver.list(), keep ? 1 : 0)
      }).pipe(Effect.scoped, Effect.provide(Layer.provideMerge(Sandboxes.layer(), memory()))),
    )
  }

  it("end after their idle time", () =>
    serving({ sessionTimeout: "200 millis" }, async (url) => {
      const { headers } = await send(url, {})
      const id = String(headers["mcp-session-id"])
      const list = JSON.stringify({ jsonrpc: "2.0", id: 2, method: "tools/list" })
      const ask = () => send(url, { "mcp-session-id": id }, "POST", list)
      let pause = 50
      // Each request puts the end off, so the pauses must grow beyond it.
      while ((await ask()).status !== 404) {
        await new Promise((resolve) => setTimeout(resolve, pause))
        pause *= 2
      }
    }))

  it("are limited in number", () =>
    serving({ maxSessions: 1 }, async (url) => {
      const only = await connectHttp(url)
      await only.call("sandbox_create", { name: "box" })
      const { status, body } = await send(url, {})
      assert.strictEqual(status, 503)
      assert.match(body, /1 sessions are open: close one, or wait/)
      await only.close()
      assert.strictEqual((await send(url, {})).status, 200)
    }))

  it("make room for a new one if they are unused and have no sandboxes, the oldest first", () =>
    serving({ maxSessions: 3 }, async (url) => {
      const list = JSON.stringify({ jsonrpc: "2.0", id: 2, method: "tools/list" })
      const status = async (id: string) =>
        (await send(url, { "mcp-session-id": id }, "POST", list)).status
      const owner = await connectHttp(url)
      await owner.call("sandbox_create", { name: "box" })
      const open = async () => String((await send(url, {})).headers["mcp-session-id"])
      const first = await open()
      const second = await open()
      // Who floods the server takes from itself.
      for (let i = 0; i < 20; i++) assert.strictEqual((await send(url, {})).status, 200)
      assert.strictEqual(await status(first), 404)
      assert.strictEqual(await status(second), 404)
      assert.match((await owner.call("sandbox_list", {})).text, /^box: running/)
      await owner.call("sandbox_manage", { sandbox: "box", action: "remove" })
      const [third, fourth] = [await open(), await open()]
      await open()
      assert.strictEqual(await status(third), 200)
      assert.strictEqual(await status(fourth), 200)
      assert.strictEqual(await status(owner.transport.sessionId ?? ""), 404)
    }))

  it("answer both requests with one ID, or refuse the second", () =>
    serving({}, async (url) => {
      const { headers } = await send(url, {})
      const session = { "mcp-session-id": String(headers["mcp-session-id"]) }
      const call = (id: number | string, name: string, args: object) =>
        send(
          url,
          session,
          "POST",
          JSON.stringify({
            jsonrpc: "2.0",
            id,
            method: "tools/call",
            params: { name, arguments: args },
          }),
        )
      await call(2, "sandbox_create", { name: "box" })
      const exec = (command: string) => call(7, "sandbox_exec", { sandbox: "box", command })
      const first = exec("sleep 0.5; echo FIRST")
      const second = await exec("echo SECOND")
      assert.strictEqual(second.status, 400)
      assert.match(second.body, /Request ID 7 is being answered: use another one/)
      assert.match((await first).body, /FIRST/)
      // Text is no number, and what has been answered is free again.
      assert.match((await call("7", "sandbox_list", {})).body, /box/)
      assert.match((await exec("echo THIRD")).body, /THIRD/)
      const one = { jsonrpc: "2.0", id: 9, method: "tools/list" }
      assert.strictEqual((await send(url, session, "POST", JSON.stringify([one, one]))).status, 400)
      assert.strictEqual((await call("x".repeat(300), "sandbox_list", {})).status, 400)
    }))

  it("allow the ID of a cancelled request again", () =>
    serving({}, async (url) => {
      const { headers } = await send(url, {})
      const session = { "mcp-session-id": String(headers["mcp-session-id"]) }
      const post = (message: object) =>
        send(url, session, "POST", JSON.stringify({ jsonrpc: "2.0", ...message }))
      const call = (id: number, name: string, args: object) =>
        post({ id, method: "tools/call", params: { name, arguments: args } })
      await call(2, "sandbox_create", { name: "box" })
      const cancelled = call(7, "sandbox_exec", { sandbox: "box", command: "sleep 600" })
      const ended = cancelled.catch(() => "ended")
      await post({ method: "notifications/cancelled", params: { requestId: 7 } })
      const again = await call(7, "sandbox_exec", { sandbox: "box", command: "echo AGAIN" })
      assert.match(again.body, /AGAIN/)
      await send(url, session, "DELETE")
      await ended
    }))

  it("begin with an initialize request, and with no other", () =>
    serving({ maxSessions: 1 }, async (url) => {
      const list = JSON.stringify({ jsonrpc: "2.0", id: 2, method: "tools/list" })
      for (const body of [list, "{", ""]) {
        assert.strictEqual((await send(url, {}, "POST", body)).status, 400, body)
      }
      assert.strictEqual((await send(url, {}, "DELETE")).status, 400)
      assert.strictEqual((await send(url, {})).status, 200)
    }))

  it("end with the server", async () => {
    const server = createMcpServer({ driver: memory() })
    const { url } = await server.http()
    const client = await connectHttp(new URL(url))
    await client.call("sandbox_create", { name: "box" })
    const running = client.call("sandbox_exec", { sandbox: "box", command: "sleep 600" })
    const ended = running.catch(() => "ended")
    await server.close()
    assert.strictEqual(await ended, "ended")
    const late = client.call("sandbox_list", {}).catch(() => "refused")
    assert.strictEqual(await late, "refused")
  })
})

describe("an MCP server over HTTP", () => {
  it("refuses a Host that is no loopback name, against DNS rebinding", () =>
    serving({}, async (url) => {
      assert.strictEqual((await send(url, { host: `localhost:${url.port}` })).status, 200)
      for (const host of ["evil.example", `evil.example:${url.port}`, "127.0.0.1.evil.example"]) {
        assert.strictEqual((await send(url, { host })).status, 403, host)
      }
    }))

  it("refuses a malformed Host and an HTTP method that MCP does not have", () =>
    serving({ host: "0.0.0.0", token }, async (url) => {
      url.hostname = "127.0.0.1"
      const authorization = `Bearer ${token}`
      for (const host of ["a@localhost", "a:b@localhost", "localhost:99999", "x/y", "x y", "[x]"]) {
        assert.strictEqual((await send(url, { host, authorization })).status, 400, host)
      }
      for (const method of ["TRACE", "PUT", "HEAD"]) {
        const { status, headers } = await send(url, { authorization }, method)
        assert.strictEqual(status, 405, method)
        assert.match(String(headers["allow"]), /GET, POST/)
      }
    }))

  it("closes a connection whose request does not arrive in time", () =>
    serving({ requestTimeout: "300 millis" }, async (url) => {
      const head = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      const answers = await Promise.all(
        // Nothing at all, headers that never end, a body that never comes.
        ["", head, `${head}Content-Length: 1000\r\n\r\n{`].map((text) => heard(url, text)),
      )
      for (const answer of answers) assert.match(answer, /^(HTTP\/1\.1 408 |$)/)
    }))

  it("answers a request without the token before its body has come", () =>
    serving({ token }, async (url) => {
      const rest = "Host: localhost\r\nContent-Length: 1000\r\n\r\n{"
      assert.match(await heard(url, `POST /mcp HTTP/1.1\r\n${rest}`), /^HTTP\/1\.1 401 /)
      assert.match(await heard(url, `POST /other HTTP/1.1\r\n${rest}`), /^HTTP\/1\.1 401 /)
    }))

  it("serves an authorised client even when others hold all connections", () =>
    serving({ maxConnections: 5, token }, async (url) => {
      const silent = Array.from({ length: 20 }, () => connect(Number(url.port), "127.0.0.1"))
      try {
        await Promise.all(
          silent.map((socket) =>
            once(
              socket.on("error", () => {}),
              "connect",
            ),
          ),
        )
        const authorization = `Bearer ${token}`
        const client = await connectHttp(url, { Authorization: authorization })
        assert.match((await client.call("sandbox_list", {})).text, /no such sandboxes/)
        await client.close()
        const closed = silent.slice(0, 15).map((socket) => socket.closed || once(socket, "close"))
        await Promise.all(closed)
      } finally {
        for (const socket of silent) socket.destroy()
      }
    }))

  it("refuses requests from web pages", () =>
    serving({}, async (url) => {
      for (const origin of ["https://evil.example", "null", url.origin]) {
        const { status, body } = await send(url, { origin })
        assert.strictEqual(status, 403, origin)
        assert.match(body, /is not allowed/)
      }
    }))

  it("accepts requests from allowed origins, and tells browsers so by CORS", () =>
    serving({ allowedOrigins: ["https://app.example"], token }, async (url) => {
      const origin = "https://app.example"
      const asked = await send(url, { origin }, "OPTIONS")
      assert.strictEqual(asked.status, 204)
      assert.strictEqual(asked.headers["access-control-allow-origin"], origin)
      assert.match(String(asked.headers["access-control-allow-headers"]), /Authorization/)
      assert.strictEqual((await send(url, { origin })).status, 401)
      const authorization = `Bearer ${token}`
      assert.strictEqual((await send(url, { origin, authorization })).status, 200)
      const other = await send(url, { origin: "https://app.example.evil", authorization })
      assert.strictEqual(other.status, 403)
      assert.isUndefined(other.headers["access-control-allow-origin"])
    }))

  it("refuses requests without its token", () =>
    serving({ token }, async (url) => {
      for (const authorization of ["", "Bearer", `Bearer ${token}x`, `Basic ${token}`, token]) {
        const { status, headers, body } = await send(url, { authorization })
        assert.strictEqual(status, 401, authorization)
        assert.strictEqual(headers["www-authenticate"], "Bearer")
        assert.notInclude(body, token)
      }
      const client = await connectHttp(url, { Authorization: `Bearer ${token}` })
      assert.match((await client.call("sandbox_list", {})).text, /no such sandboxes/)
      await client.close()
    }))

  it("refuses to listen for other machines without a token", async () => {
    for (const host of ["0.0.0.0", "::", "192.0.2.1", "example.com", "127.0.0.1.example.com"]) {
      assert.match(await refusal({ host }), /can be reached from other machines: give a token/)
    }
    await serving({ host: "0.0.0.0", token }, async (url) => {
      url.hostname = "127.0.0.1"
      assert.strictEqual((await send(url, {})).status, 401)
      const authorization = `Bearer ${token}`
      assert.strictEqual((await send(url, { authorization })).status, 200)
    })
  })

  it("refuses requests to another path and requests that are too large", () =>
    serving({}, async (url) => {
      assert.strictEqual((await send(new URL("/", url), {})).status, 404)
      const large = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "x".repeat(5_000_000) })
      assert.strictEqual((await send(url, {}, "POST", large)).status, 413)
    }))

  it("fails to start with a short token or a port in use", async () => {
    assert.match(await refusal({ token: "short" }), /at least 16 characters/)
    await serving({}, async (url) => {
      const message = await refusal({ port: Number(url.port) })
      assert.match(
        message,
        /the server can't listen on 127\.0\.0\.1, port \d+ .*EADDRINUSE.*choose others/,
      )
    })
  })
})
