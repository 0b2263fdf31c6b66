import { InvalidInput, type PromisePorts } from "@cordon/core"
import { assert, describe, it } from "vitest"
import { type Gateway, openGateway, openGatewayBy, type SharedPort } from "../src/gateway.ts"
import {
  type Asked,
  ask,
  askWithToken,
  begin,
  closing,
  hostOf,
  manualClock,
  openWebSocket,
  rawly,
  startInside,
} from "./support.ts"

/** A gateway with one shared port, and the server that it leads to. */
const shared = async (open: () => Promise<Gateway> = openGateway) => {
  await using stack = new AsyncDisposableStack()
  const inside = stack.use(await startInside())
  const gateway = stack.use(await open())
  const share = await gateway.share(inside.sandbox, 3000)
  const all = stack.move()
  return { inside, gateway, share, [Symbol.asyncDispose]: () => all.disposeAsync() }
}

const navigation = { "sec-fetch-mode": "navigate", "sec-fetch-site": "cross-site" }
const cookieOf = ({ token }: SharedPort) => ({ cookie: `cordon_token=${token}` })

describe("the token of a shared port", () => {
  it("is required in full", async () => {
    await using all = await shared()
    const { gateway, share, inside } = all
    const wrong = `${share.token.slice(0, -1)}${share.token.endsWith("A") ? "B" : "A"}`
    for (const asked of [
      {},
      { path: "/?cordon_token=" },
      { path: `/?cordon_token=${wrong}` },
      { path: `/?token=${share.token}` },
      { headers: { "x-cordon-token": "" } },
      { headers: { "x-cordon-token": share.token.slice(0, -1) } },
      { headers: { authorization: `Basic ${share.token}` } },
      { headers: { cookie: `other=${share.token}` } },
      { headers: { cookie: `cordon_token=${wrong}; xcordon_token=${share.token}` } },
    ] satisfies ReadonlyArray<Asked>) {
      const { status, headers, body } = await ask(gateway, share, asked)
      assert.strictEqual(status, 401, JSON.stringify(asked))
      assert.strictEqual(headers["www-authenticate"], "Bearer")
      assert.match(body, /^Cordon: This address needs its token\. /)
    }
    const { until } = openWebSocket(gateway, share, [])
    assert.match(await until("needs its token"), /^HTTP\/1\.1 401 Unauthorized\r\n/)
    assert.deepStrictEqual(inside.received, [])
  })

  it("is accepted from a browser's URL, and then replaced by a cookie", async () => {
    const { clock, pass } = manualClock()
    await using all = await shared(() => openGatewayBy(clock, {}))
    const { gateway, share, inside } = all
    pass(1)
    for (const headers of [navigation, { accept: "text/html,*/*" }]) {
      const path = `/a?x=1&cordon_token=${share.token}&y='"<2>`
      const entered = await ask(gateway, share, { path: encodeURI(path), headers })
      assert.strictEqual(entered.status, 200)
      assert.deepStrictEqual(entered.headers["set-cookie"], [
        `cordon_token=${share.token}; Path=/; Max-Age=3599; HttpOnly; SameSite=Strict`,
      ])
      assert.strictEqual(entered.headers["referrer-policy"], "no-referrer")
      assert.strictEqual(entered.headers["cache-control"], "no-store")
      assert.include(entered.body, `content="0;url=${share.origin}/a?x=1&#38;y=&#39;%22%3C2%3E"`)
      assert.notInclude(entered.body, share.token)
    }
    assert.deepStrictEqual(inside.received, [])
    const headers = { cookie: `a=1; cordon_token=${share.token}; b=2` }
    const { status } = await ask(gateway, share, { path: "/a?x=1", headers })
    assert.strictEqual(status, 200)
    assert.strictEqual(inside.received[0]?.headers.cookie, "a=1; b=2")
  })

  it("is in a cookie that the browser keeps no longer than the share lasts", async () => {
    const { clock, pass } = manualClock()
    await using all = await shared(() => openGatewayBy(clock, {}))
    const { gateway, share } = all
    // A part of a second does not count.
    for (const [passing, seconds] of [
      [0, 3600],
      [1, 3599],
      [999, 3599],
      [1, 3598],
    ] as const) {
      pass(passing)
      const path = `/?cordon_token=${share.token}`
      const { headers } = await ask(gateway, share, { path, headers: navigation })
      assert.deepStrictEqual(headers["set-cookie"], [
        `cordon_token=${share.token}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Strict`,
      ])
    }
  })

  it("never redirects a browser to another host", async () => {
    await using all = await shared()
    const { gateway, share } = all
    const path = `//evil.example/?cordon_token=${share.token}`
    const { body } = await ask(gateway, share, { path, headers: navigation })
    assert.include(body, `url=${share.origin}//evil.example/"`)
  })

  it("is accepted from a program's request, which is passed on without it", async () => {
    await using all = await shared()
    const { gateway, share, inside } = all
    const { token } = share
    for (const asked of [
      { path: `/a?cordon_token=${token}&x=1` },
      { path: "/a?x=1", headers: { "x-cordon-token": token } },
      { path: "/a?x=1", headers: { authorization: `Bearer ${token}` } },
      { path: "/a?x=1", headers: cookieOf(share) },
      { path: `/a?x=1&cordon_token=${token}`, method: "POST", headers: { accept: "text/html" } },
    ] satisfies ReadonlyArray<Asked>) {
      assert.strictEqual((await ask(gateway, share, asked)).status, 200)
    }
    assert.lengthOf(inside.received, 5)
    for (const received of inside.received) {
      assert.strictEqual(received.url, "/a?x=1")
      assert.notInclude(JSON.stringify(received), token)
    }
    // What is meant for the server inside goes there.
    const own = { authorization: "Bearer of-its-own", "x-cordon-token": token }
    await ask(gateway, share, { headers: own })
    assert.strictEqual(inside.received[5]?.headers.authorization, "Bearer of-its-own")
  })

  it("is set as a Secure cookie when TLS is in front", async () => {
    await using all = await shared(() =>
      openGateway({ baseDomain: "preview.example.com", secure: true }),
    )
    const { gateway, share } = all
    assert.match(share.origin, /^https:\/\/p-[0-9a-f]{24}\.preview\.example\.com$/)
    const path = `/?cordon_token=${share.token}`
    const { headers } = await ask(gateway, share, { path, headers: navigation })
    assert.match(
      String(headers["set-cookie"]),
      /^__Host-cordon_token=[\w-]{43}; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Strict; Secure$/,
    )
    // Another host below the same domain could have set this one.
    assert.strictEqual((await ask(gateway, share, { headers: cookieOf(share) })).status, 401)
  })
})

describe("a request with a foreign origin", () => {
  it("is refused by its Host header", async () => {
    await using all = await shared()
    const { gateway, share, inside } = all
    const [label = ""] = hostOf(share).split(".")
    for (const host of [
      `127.0.0.1:${gateway.port}`,
      `localhost:${gateway.port}`,
      "evil.example",
      `${label}.evil.example:${gateway.port}`,
      `${label}.localhost`,
      `${label}.localhost.:${gateway.port}`,
      `${label}.localhost:${gateway.port}:1`,
      `x.${hostOf(share)}`,
      `${hostOf(share)}, ${hostOf(share)}`,
    ]) {
      assert.strictEqual((await askWithToken(gateway, share, { headers: { host } })).status, 421)
    }
    const token = `x-cordon-token: ${share.token}`
    const host = hostOf(share)
    for (const [head, status] of [
      [`GET / HTTP/1.1\r\nhost: ${host}\r\nHost: evil.example`, 421],
      [`GET / HTTP/1.1\r\nhost: evil.example\r\nHost: ${host}`, 421],
      [`GET / HTTP/1.0`, 421],
      [`GET / HTTP/1.1`, 400],
      [`GET http://${host}/ HTTP/1.1\r\nhost: ${host}`, 400],
      [`GET http://evil.example/ HTTP/1.1\r\nhost: ${host}`, 400],
      [`OPTIONS * HTTP/1.1\r\nhost: ${host}`, 400],
    ] as const) {
      const answer = await rawly(gateway, `${head}\r\n${token}\r\nconnection: close\r\n\r\n`)
      assert.match(answer, new RegExp(`^HTTP/1.1 ${status} `), head)
    }
    // Ways to other machines are none.
    assert.strictEqual(
      await rawly(gateway, `CONNECT ${host} HTTP/1.1\r\nhost: ${host}\r\n${token}\r\n\r\n`),
      "",
    )
    assert.deepStrictEqual(inside.received, [])
    assert.strictEqual(
      (await askWithToken(gateway, share, { headers: { host: host.toUpperCase() } })).status,
      200,
    )
  })

  it("is refused by its Origin or Sec-Fetch headers", async () => {
    await using all = await shared()
    const { gateway, share, inside } = all
    const other = await gateway.share(inside.sandbox, 3000)
    for (const origin of [
      other.origin,
      "null",
      `${share.origin}.evil.example`,
      "https://localhost",
    ]) {
      for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
        const headers = { ...cookieOf(share), origin }
        assert.strictEqual((await ask(gateway, share, { method, headers })).status, 403)
      }
      const { until } = openWebSocket(gateway, share, [
        `cookie: cordon_token=${share.token}`,
        `origin: ${origin}`,
      ])
      assert.match(await until("another origin"), /^HTTP\/1\.1 403 Forbidden\r\n/)
    }
    // A browser that sends no origin with a GET says where it comes from all the same.
    for (const site of ["cross-site", "same-site", "else"]) {
      const headers = { ...cookieOf(share), "sec-fetch-site": site, "sec-fetch-mode": "no-cors" }
      assert.strictEqual((await ask(gateway, share, { headers })).status, 403)
    }
    assert.deepStrictEqual(inside.received, [])
    for (const headers of [
      { origin: share.origin },
      { "sec-fetch-site": "same-origin", "sec-fetch-mode": "cors" },
      navigation,
    ]) {
      const asked = { headers: { ...cookieOf(share), ...headers } }
      assert.strictEqual((await ask(gateway, share, asked)).status, 200)
    }
    const { socket, until } = openWebSocket(gateway, share, [
      `cookie: cordon_token=${share.token}`,
      `origin: ${share.origin}`,
    ])
    assert.match(await until("hello"), /^HTTP\/1\.1 101 /)
    socket.destroy()
  })
})

describe("a request that two servers could read differently", () => {
  const rest = "GET /smuggled HTTP/1.1\r\nhost: inside\r\n\r\n"

  it("arrives inside as one request, or not at all", async () => {
    await using all = await shared()
    const { gateway, share, inside } = all
    const head = (lines: string, method = "GET") =>
      `${method} /first HTTP/1.1\r\nhost: ${hostOf(share)}\r\nx-cordon-token: ${share.token}\r\nconnection: close\r\n${lines}\r\n\r\n`
    const chunked = `${rest.length.toString(16)}\r\n${rest}\r\n0\r\n\r\n`
    for (const method of ["GET", "DELETE", "POST", "OPTIONS"]) {
      inside.received.length = 0
      const told = await rawly(gateway, head("transfer-encoding: chunked", method) + chunked)
      assert.match(told, /^HTTP\/1\.1 200 /, method)
      const sized = await rawly(gateway, head(`content-length: ${rest.length}`, method) + rest)
      assert.match(sized, /^HTTP\/1\.1 200 /, method)
      assert.deepStrictEqual(
        inside.received.map(({ url, body }) => [url, body]),
        [
          ["/first", rest],
          ["/first", rest],
        ],
        method,
      )
    }
    inside.received.length = 0
    for (const lines of [
      `content-length: ${rest.length}\r\ntransfer-encoding: chunked`,
      "content-length: 1\r\ncontent-length: 2",
      "transfer-encoding: gzip, chunked, identity",
      "transfer-encoding : chunked",
      "content-length: +4",
      "x: a\r\n folded: b\u0000",
      `x: ${"a".repeat(17_000)}`,
    ]) {
      const answer = await rawly(gateway, head(lines) + chunked)
      assert.match(answer, /^HTTP\/1\.1 4(?:00|31) /, lines.slice(0, 80))
    }
    assert.notInclude(JSON.stringify(inside.received), "smuggled")
  })

  it("arrives inside without hop-by-hop and proxy headers", async () => {
    await using all = await shared()
    const { gateway, share, inside } = all
    await askWithToken(gateway, share, {
      headers: {
        connection: "close, x-mine",
        "x-mine": "1",
        te: "trailers",
        "keep-alive": "timeout=5",
        "proxy-authorization": "Basic a",
        forwarded: "for=1.2.3.4",
        "x-forwarded-for": "1.2.3.4",
        "x-forwarded-host": "evil.example",
        "x-real-ip": "1.2.3.4",
        "x-other": "2",
      },
    })
    const { headers } = inside.received[0] ?? {}
    assert.deepStrictEqual(headers, {
      host: hostOf(share),
      "x-other": "2",
      "x-forwarded-host": hostOf(share),
      "x-forwarded-proto": "http",
      connection: "close",
    })
  })
})

describe("a response from inside", () => {
  const headersOf = async (lines: string) => {
    await using inside = await startInside()
    inside.server.removeAllListeners("request")
    inside.server.on("request", (_, response) => {
      response.socket?.end(`HTTP/1.1 200 OK\r\n${lines}\r\nconnection: close\r\n\r\nbody`)
    })
    await using gateway = await openGateway()
    return await askWithToken(gateway, await gateway.share(inside.sandbox, 3000))
  }

  it("can set cookies only for its own origin, and not the token's cookie", async () => {
    const { headers, body } = await headersOf(
      [
        "set-cookie: a=1; Domain=localhost; Path=/",
        "set-cookie: b=2;domain = .localhost ; DOMAIN=localhost;Domain; HttpOnly",
        "set-cookie: cordon_token=mine; Path=/",
        "set-cookie: =cordon_token=mine",
        "set-cookie: __Host-cordon_token=mine; Secure; Path=/",
        "set-cookie: c=domain=x; Secure",
      ].join("\r\n"),
    )
    assert.deepStrictEqual(headers["set-cookie"], [
      "a=1; Path=/",
      "b=2; HttpOnly",
      "c=domain=x; Secure",
    ])
    assert.strictEqual(body, "body")
  })

  it("can't set headers about the connection to the gateway", async () => {
    const { headers } = await headersOf(
      'alt-svc: h2="evil.example:443"\r\nkeep-alive: timeout=999\r\nproxy-authenticate: Basic\r\nx-own: 1',
    )
    for (const name of ["alt-svc", "proxy-authenticate"]) assert.isUndefined(headers[name])
    assert.notStrictEqual(headers["keep-alive"], "timeout=999")
    assert.strictEqual(headers["x-own"], "1")
  })

  it("that is invalid becomes a 502 of the gateway", async () => {
    for (const said of ["nonsense\r\n\r\n", "", "HTTP/1.1 101 Switching Protocols\r\n\r\n"]) {
      await using inside = await startInside()
      inside.server.removeAllListeners("request")
      inside.server.on("request", (_, response) => response.socket?.end(said))
      await using gateway = await openGateway()
      const share = await gateway.share(inside.sandbox, 3000)
      const { status, body } = await askWithToken(gateway, share)
      assert.strictEqual(status, 502, said)
      assert.match(body, /What listens on port 3000 of the sandbox did not answer/)
    }
  })
})

describe("the limits of a gateway", () => {
  it("allow 64 connections to one shared port, whatever the others use", async () => {
    await using inside = await startInside((_, response) => void response.write("begun"))
    await using gateway = await openGateway()
    const share = await gateway.share(inside.sandbox, 3000)
    const open = await Promise.all(Array.from({ length: 64 }, () => begin(gateway, share)))
    assert.strictEqual((await askWithToken(gateway, share)).status, 503)
    const other = await gateway.share(inside.sandbox, 3000)
    const others = await begin(gateway, other)
    assert.strictEqual(others.statusCode, 200)
    const [first] = open
    first?.destroy()
    if (first !== undefined) await closing(first)
    // The gateway hears of it a little later.
    let status = 503
    while (status === 503) {
      const incoming = await begin(gateway, share)
      status = incoming.statusCode ?? 0
      if (status === 503) await closing(incoming)
    }
    assert.strictEqual(status, 200)
  })

  it("keep it on this machine unless allowRemote is set", async () => {
    for (const host of ["0.0.0.0", "::", "192.0.2.1", "example.com"]) {
      const error = await openGateway({ host }).catch((error: unknown) => error)
      assert.instanceOf(error, InvalidInput)
      assert.match(String(error), /allowRemote/)
    }
    await using gateway = await openGateway({ host: "0.0.0.0", allowRemote: true })
    assert.isAbove(gateway.port, 0)
  })

  it("refuse invalid names, ports and durations", async () => {
    const refused = async (opening: Promise<unknown>) =>
      assert.instanceOf(await opening.catch((error: unknown) => error), InvalidInput)
    for (const baseDomain of ["", "a..b", "-a", "a b", "localhost:80", "127.0.0.1", "a/b"]) {
      await refused(openGateway({ baseDomain }))
    }
    await refused(openGateway({ port: 65_536 }))
    await refused(openGateway({ publicPort: 0 }))
    await using gateway = await openGateway()
    await refused(openGateway({ port: gateway.port }))
    const ports: Pick<PromisePorts, "connect"> = {
      connect: () => Promise.reject(new Error("not asked for")),
    }
    for (const port of [0, -1, 1.5, 65_536, Number.NaN]) {
      await refused(gateway.share({ ports }, port))
    }
    for (const expires of [0, 999, -1, "25 days", "Infinity"] as const) {
      await refused(gateway.share({ ports }, 80, { expires }))
    }
  })
})
