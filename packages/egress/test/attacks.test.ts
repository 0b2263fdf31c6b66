import { once } from "node:events"
import { request } from "node:http"
import { connect as connectTls } from "node:tls"
import type { EgressRules } from "@cordon/core"
import { assert, describe, it } from "vitest"
import {
  ask,
  askHttp2,
  cutOff,
  key,
  rawly,
  secured,
  startForFile,
  startProxy,
  type TestProxy,
  tlsTo,
  tunnelTo,
  webSocketRequest,
} from "./support.ts"

const { destination, at, withKey } = await startForFile()
/** What got to the destinations while something was done. */
const gotBy = async (what: () => Promise<unknown>) => {
  const before = destination.received.length
  await what()
  return destination.received.slice(before)
}

describe("a request through the egress proxy", () => {
  it("gets the secret outside the sandbox, and its response does not repeat it", async () => {
    await using proxy = await startProxy(destination, withKey())
    const [got] = await gotBy(async () => {
      const answer = await ask(proxy, destination, {
        method: "POST",
        body: "hello",
        headers: { authorization: "Bearer mine" },
      })
      assert.strictEqual(answer.status, 200)
      assert.strictEqual(answer.body, `you said Bearer ${"*".repeat(key.length)} and 5 bytes`)
      assert.notInclude(JSON.stringify(answer), key)
    })
    assert.strictEqual(got?.headers.authorization, `Bearer ${key}`)
    assert.strictEqual(got?.body, "hello")
    assert.deepInclude(proxy.attempts[0], {
      host: "api.test",
      method: "POST",
      path: "/",
      outcome: "done",
      status: 200,
      sent: 5,
    })
    assert.notInclude(JSON.stringify(proxy.attempts), key)
  })

  it("follows a redirect to another host without the secret", async () => {
    await using proxy = await startProxy(destination, withKey())
    const { status, headers } = await ask(proxy, destination, { path: "/elsewhere" })
    assert.deepStrictEqual([status, headers.location], [302, `https://${at("other.test")}/`])
    // No rule looks into what goes there: the server's own certificate comes through.
    const tls = await tlsTo(proxy, destination, { to: "other.test", ca: destination.ca })
    const asking = request({
      createConnection: () => tls,
      path: "/",
      headers: { host: at("other.test") },
    }).end()
    const [got] = await gotBy(() => once(asking, "response"))
    assert.isUndefined(got?.headers.authorization)
    tls.destroy()
  })

  it("is refused when it names another host than its connection", async () => {
    await using proxy = await startProxy(destination, withKey())
    const got = await gotBy(async () => {
      for (const host of [
        "other.test",
        at("other.test"),
        "api.test",
        "127.0.0.1",
        "api.test:1",
        "x@api.test",
        "",
        "api.test, other.test",
      ]) {
        const { status } = await ask(proxy, destination, { host }).catch(() => ({ status: 400 }))
        assert.include([400, 421], status, host)
      }
      assert.strictEqual(
        (await ask(proxy, destination, { path: `https://${at("other.test")}/` })).status,
        400,
      )
    })
    assert.lengthOf(got, 0)
  })

  it("is refused when its pseudo-headers name another host", async () => {
    const rule = { paths: ["/**"], headers: { authorization: `Bearer ${key}` } }
    await using proxy = await startProxy(destination, { allow: { [at("api.test")]: rule } })
    const fine = await gotBy(() => askHttp2(proxy, destination, { ":authority": at("api.test") }))
    assert.strictEqual(fine[0]?.headers.authorization, `Bearer ${key}`)
    const got = await gotBy(async () => {
      assert.strictEqual(
        (await askHttp2(proxy, destination, { ":authority": at("other.test") })).status,
        421,
      )
      for (const path of [
        "other",
        "//other.test/",
        "https://other.test/",
        "/a\\b",
        "/%2e%2e%2fetc",
        "*",
      ]) {
        const { status } = await askHttp2(proxy, destination, {
          ":authority": at("api.test"),
          ":path": path,
        })
        assert.strictEqual(status, 400, path)
      }
    })
    assert.lengthOf(got, 0)
  })

  it("is sent with the path that the rules checked", async () => {
    await using proxy = await startProxy(destination, {
      allow: { [at("api.test")]: { paths: ["/open/**"], headers: { "x-key": key } } },
    })
    const got = await gotBy(async () => {
      const paths = [
        "/open/../closed",
        "/open/%2e%2e/closed",
        "/open/.%2e/closed",
        "/closed",
        "/open/..%2fclosed",
        "/open//closed",
        "/open/%252e%252e/closed",
      ]
      for (const path of paths) {
        const { status } = await ask(proxy, destination, { path })
        assert.include([400, 403], status, path)
      }
    })
    assert.lengthOf(got, 0)
    const [fine] = await gotBy(() => ask(proxy, destination, { path: "/open/./a?b=../c" }))
    assert.strictEqual(fine?.url, "/open/a?b=../c")
  })

  it("that two servers could read differently is refused", async () => {
    await using proxy = await startProxy(destination, withKey())
    const smuggled = `GET /smuggled HTTP/1.1\r\nHost: ${at("api.test")}\r\n\r\n`
    const cases = [
      ["Content-Length: 5", "Transfer-Encoding: chunked"],
      ["Content-Length: 5", "Content-Length: 6"],
      ["Transfer-Encoding: xchunked"],
      ["Transfer-Encoding : chunked"],
      ["Content-Length: +5"],
      ["Transfer-Encoding: chunked, identity"],
      ["X: a\nTransfer-Encoding: chunked"],
    ]
    for (const lines of cases) {
      const got = await gotBy(async () => {
        const tls = await tlsTo(proxy, destination)
        tls.write(
          `POST / HTTP/1.1\r\nHost: ${at("api.test")}\r\n${lines.join("\r\n")}\r\n\r\n0\r\n\r\n${smuggled}`,
        )
        tls.resume()
        await once(tls, "close")
      })
      assert.notInclude(
        got.map(({ url }) => url),
        "/smuggled",
        lines.join("; "),
      )
    }
  })

  it("can't open a connection for further unchecked requests", async () => {
    await using proxy = await startProxy(destination, withKey())
    for (const [method, protocol] of [
      ["GET", "h2c"],
      ["GET", "websocket, h2c"],
      ["GET", "websocket\r\nContent-Length: 5"],
      ["GET", "websocket\r\nTransfer-Encoding: chunked"],
      ["POST", "websocket"],
    ] as const) {
      const tls = await tlsTo(proxy, destination)
      tls.write(
        `${method} /ws HTTP/1.1\r\nHost: ${at("api.test")}\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`,
      )
      const [first] = await once(tls, "data")
      assert.match(String(first), /^HTTP\/1.1 400 /)
      tls.destroy()
    }
    assert.isEmpty(proxy.attempts)
  })

  it("is passed on as one request, however its body's length is declared", async () => {
    await using proxy = await startProxy(destination, withKey())
    const inner = `GET /smuggled HTTP/1.1\r\nHost: ${at("api.test")}\r\n\r\n`
    const chunk = `${inner.length.toString(16)}\r\n${inner}\r\n0\r\n\r\n`
    for (const method of ["GET", "DELETE", "OPTIONS", "POST"]) {
      for (const [line, body] of [
        ["Transfer-Encoding: chunked", chunk],
        [`Content-Length: ${inner.length}`, inner],
        [`Connection: content-length\r\nContent-Length: ${inner.length}`, inner],
        [`Connection: transfer-encoding\r\nTransfer-Encoding: chunked`, chunk],
      ] as const) {
        const got = await gotBy(async () => {
          const tls = await tlsTo(proxy, destination)
          tls.write(`${method} / HTTP/1.1\r\nHost: ${at("api.test")}\r\n${line}\r\n\r\n${body}`)
          await once(tls, "data")
          tls.destroy()
          // What was left on a connection would come before this.
          await ask(proxy, destination, { path: "/next" })
        })
        assert.deepStrictEqual(
          got.map(({ url, body }) => [url, body]),
          [
            ["/", inner],
            ["/next", ""],
          ],
          `${method} ${line}`,
        )
      }
    }
  })

  it("by HTTP/2 is passed on as one request, with a body of unknown length", async () => {
    await using proxy = await startProxy(destination, withKey())
    const inner = `GET /smuggled HTTP/1.1\r\nHost: ${at("api.test")}\r\n\r\n`
    const got = await gotBy(async () => {
      await askHttp2(proxy, destination, { ":authority": at("api.test") }, inner)
      await ask(proxy, destination, { path: "/next" })
    })
    assert.deepStrictEqual(
      got.map(({ url, body }) => [url, body]),
      [
        ["/", inner],
        ["/next", ""],
      ],
    )
  })

  it("over plain HTTP gets no secret", async () => {
    await using proxy = await startProxy(destination, withKey())
    const answer = await rawly(
      proxy,
      `GET http://${at("api.test")}/ HTTP/1.1\r\nHost: ${at("api.test")}\r\nConnection: close\r\n\r\n`,
    )
    assert.match(answer, /^HTTP\/1.1 403 .*may be used by https only/s)
  })

  it("whose URL and Host header differ is refused", async () => {
    await using proxy = await startProxy(destination, { allow: { [at("other.test")]: {} } })
    const answer = await rawly(
      proxy,
      `GET http://${at("other.test")}/ HTTP/1.1\r\nHost: ${at("api.test")}\r\nConnection: close\r\n\r\n`,
    )
    assert.match(answer, /^HTTP\/1.1 421 /)
  })
})

describe("a connection through the egress proxy", () => {
  const refusedFor = async (proxy: TestProxy, target: string) => {
    const { status, socket } = await tunnelTo(proxy, target)
    socket.destroy()
    return status
  }

  it("to an unlisted destination is refused, however it is written", async () => {
    await using proxy = await startProxy(destination, withKey())
    const { port } = destination
    for (const target of [
      at("inside.test"),
      "api.test:22",
      `127.0.0.1:${port}`,
      `2130706433:${port}`,
      `0x7f000001:${port}`,
      `[::1]:${port}`,
      `[::ffff:127.0.0.1]:${port}`,
      `localhost:${port}`,
      `api.test.evil.test:${port}`,
      `user@api.test:${port}`,
      "api.test:0",
      "api.test:99999",
    ]) {
      assert.strictEqual(await refusedFor(proxy, target), 403, target)
    }
    assert.strictEqual(await refusedFor(proxy, `API.test.:${port}`), 200)
  })

  it("is refused when its TLS names another server", async () => {
    await using proxy = await startProxy(destination, withKey())
    for (const [target, ca] of [
      [at("other.test"), destination.ca],
      [at("api.test"), proxy.authority.certificate],
    ] as const) {
      const before = destination.connections.size
      const { socket } = await tunnelTo(proxy, target)
      const tls = connectTls({
        socket,
        servername: "inside.test",
        ca,
        checkServerIdentity: () => undefined,
      })
      tls.on("error", () => {})
      await new Promise((resolve) => tls.once("close", resolve))
      assert.strictEqual(destination.connections.size, before)
    }
    assert.deepInclude(proxy.attempts[0], { host: "other.test", outcome: "refused" })
  })

  it("that is not inspected can carry only TLS", async () => {
    await using proxy = await startProxy(destination, withKey())
    const before = destination.connections.size
    const heard = await rawly(
      proxy,
      `CONNECT ${at("other.test")} HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\n\r\n`,
    )
    assert.strictEqual(heard, "HTTP/1.1 200 Connection established\r\n\r\n")
    assert.strictEqual(destination.connections.size, before)
  })

  it("reaches no private address, whatever its name resolves to", async () => {
    const hosts = { "api.test": "127.0.0.1", "other.test": "169.254.169.254" }
    await using proxy = await startProxy(
      destination,
      { ...withKey(), allowAddresses: ["10.0.0.0/8"] },
      { hosts },
    )
    const got = await gotBy(async () => {
      assert.strictEqual((await ask(proxy, destination)).status, 403)
    })
    assert.lengthOf(got, 0)
    assert.deepInclude(proxy.attempts[0], {
      outcome: "refused",
      reason: "its name resolves to an address that sandboxes may not reach",
    })
    const { socket } = await tunnelTo(proxy, at("other.test"))
    await cutOff(secured(socket, { servername: "other.test", ca: destination.ca }))
  })

  it("can't continue to another proxy", async () => {
    await using proxy = await startProxy(destination, withKey())
    const { status } = await ask(proxy, destination, {
      method: "CONNECT",
      path: at("other.test"),
    }).catch(() => ({ status: 0 }))
    assert.notStrictEqual(status, 200)
  })

  it("that addresses the proxy itself gets an error that says what it is", async () => {
    await using proxy = await startProxy(destination, withKey())
    assert.match(
      await rawly(proxy, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
      /^HTTP\/1.1 400 .*this is a proxy/s,
    )
    assert.match(await rawly(proxy, "\x16\x03\x01\x02\x00"), /^HTTP\/1.1 400 /)
  })
})

describe("a program that pins certificates", () => {
  it("is reported in an attempt that says what to do, and reaches nothing", async () => {
    await using proxy = await startProxy(destination, withKey())
    const got = await gotBy(async () => {
      const { socket } = await tunnelTo(proxy, at("api.test"))
      await cutOff(secured(socket, { servername: "api.test", ca: destination.ca }))
    })
    assert.deepStrictEqual(got, [])
    while (proxy.attempts.length === 0) await new Promise((resolve) => setImmediate(resolve))
    assert.deepInclude(proxy.attempts[0], { host: "api.test", allowed: true, outcome: "failed" })
    assert.match(proxy.attempts[0]?.reason ?? "", /pins certificates.* give api\.test a rule/)
  })
})

describe("a placeholder of a secret", () => {
  it("is worth nothing at another destination, and nothing from another sandbox", async () => {
    const rules: EgressRules = {
      allow: {
        [at("api.test")]: { secrets: { TOKEN: key } },
        [at("other.test")]: { methods: ["GET"] },
      },
    }
    await using proxy = await startProxy(destination, rules)
    await using another = await startProxy(destination, rules)
    const headers = { authorization: `Bearer ${proxy.env["TOKEN"] ?? ""}` }
    const got = await gotBy(async () => {
      await ask(proxy, destination, { headers })
      await ask(proxy, destination, { headers, to: "other.test" })
      await ask(another, destination, { headers })
    })
    assert.deepStrictEqual(
      got.map(({ headers: { authorization } }) => authorization),
      [`Bearer ${key}`, headers.authorization, headers.authorization],
    )
  })
})

describe("a response that repeats the request", () => {
  it("shows no Basic credentials, as text or in Base64", async () => {
    const rules = { allow: { [at("api.test")]: { secrets: { TOKEN: key } } } }
    await using proxy = await startProxy(destination, rules)
    const basic = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`
    const headers = { authorization: basic(`me:${proxy.env["TOKEN"] ?? ""}`) }
    const [got] = await gotBy(async () => {
      const answer = await ask(proxy, destination, { headers })
      assert.match(answer.body, /^you said Basic \*+ and/)
      assert.match(String(answer.headers["x-told"]), /^Basic \*+$/)
      const over2 = await askHttp2(proxy, destination, {
        ":authority": at("api.test"),
        ...headers,
      })
      assert.match(over2.body, /^you said Basic \*+ and/)
    })
    assert.strictEqual(got?.headers.authorization, basic(`me:${key}`))
  })

  it("does not mask what the sandbox says, by which it could guess a secret", async () => {
    const rules = { allow: { [at("api.test")]: { secrets: { TOKEN: key } } } }
    await using proxy = await startProxy(destination, rules)
    const headers = { authorization: `${proxy.env["TOKEN"] ?? ""} words-of-my-own` }
    const { body } = await ask(proxy, destination, { headers })
    assert.strictEqual(body, `you said ${"*".repeat(key.length)} words-of-my-own and 0 bytes`)
  })

  it("shows no secret in a WebSocket's messages", async () => {
    await using proxy = await startProxy(destination, withKey())
    const tls = await tlsTo(proxy, destination)
    tls.write(webSocketRequest(at("api.test")))
    await once(tls, "data")
    tls.write(`it says ${key}.`)
    let said = ""
    for await (const piece of tls) {
      said += String(piece)
      if (said.endsWith(".")) break
    }
    assert.strictEqual(said, `it says ${"*".repeat(key.length)}.`)
  })
})

describe("updated rules", () => {
  it("end an upload in progress that they do not allow", async () => {
    await using proxy = await startProxy(destination, withKey())
    const tls = await tlsTo(proxy, destination)
    const got = await gotBy(async () => {
      tls.write(
        `POST /upload HTTP/1.1\r\nHost: ${at("api.test")}\r\nContent-Length: 1000000\r\n\r\n`,
      )
      tls.write(Buffer.alloc(1000))
      while (destination.connections.size === 0)
        await new Promise((resolve) => setTimeout(resolve, 10))
      proxy.update({ allow: { [at("other.test")]: {} } })
      tls.resume()
      await once(tls, "close")
      assert.strictEqual((await tunnelTo(proxy, at("api.test"))).status, 403)
    })
    // What came of it is broken, and says so.
    assert.isTrue(got.every(({ body }) => body === "broken"))
    assert.deepInclude(proxy.attempts[0], {
      path: "/upload",
      outcome: "ended",
      reason: "the rules have changed",
    })
  })

  it("end tunnels that they do not allow, and keep the others", async () => {
    await using proxy = await startProxy(destination, {
      allow: { [at("api.test")]: {}, [at("other.test")]: {} },
    })
    const open = async (name: string) => {
      const { socket } = await tunnelTo(proxy, at(name))
      return secured(socket, { servername: name, ca: destination.ca })
    }
    const [kept, ended] = await Promise.all([open("api.test"), open("other.test")])
    proxy.update({ allow: { [at("api.test")]: {} } })
    ended.resume()
    await once(ended, "close")
    kept.write(`GET / HTTP/1.1\r\nHost: ${at("api.test")}\r\n\r\n`)
    const [bytes] = await once(kept, "data")
    assert.match(String(bytes), /^HTTP\/1.1 200/)
    kept.destroy()
  })

  it("that are invalid change nothing", async () => {
    await using proxy = await startProxy(destination, withKey())
    assert.throws(() => proxy.update({ allow: { "10.0.0.1": {} } }))
    assert.strictEqual((await ask(proxy, destination)).status, 200)
  })
})

describe("limits of the egress proxy", () => {
  it("keep the requests and bytes to a rule's maximum", async () => {
    await using proxy = await startProxy(destination, {
      allow: {
        [at("api.test")]: { maxRequests: 2 },
        [at("other.test")]: { methods: ["POST"], maxBytes: 1000 },
      },
    })
    const statuses: Array<number> = []
    for (let count = 0; count < 3; count++) statuses.push((await ask(proxy, destination)).status)
    assert.deepStrictEqual(statuses, [200, 200, 403])
    const upload = { to: "other.test", method: "POST", body: "x".repeat(2000) }
    const got = await gotBy(async () => {
      const { status } = await ask(proxy, destination, upload).catch(() => ({ status: 403 }))
      assert.strictEqual(status, 403)
    })
    assert.isTrue(got.every(({ body }) => body === "broken"))
    assert.strictEqual((await ask(proxy, destination, { ...upload, body: "" })).status, 403)
  })

  it("refuse what a rule leaves to the program, unless it allows it in time", async () => {
    const asked: Array<unknown> = []
    const rules: EgressRules = { allow: { [at("api.test")]: { action: "ask" } } }
    const decide = (subject: { readonly path?: string | undefined }) => {
      asked.push(subject)
      if (subject.path === "/throws") throw new Error("no")
      if (subject.path === "/late") return new Promise<boolean>(() => {})
      return subject.path === "/yes"
    }
    await using proxy = await startProxy(destination, rules, { ask: decide, patience: 100 })
    const statuses = await Promise.all(
      ["/yes", "/no", "/throws", "/late"].map(
        async (path) => (await ask(proxy, destination, { path })).status,
      ),
    )
    assert.deepStrictEqual(statuses, [200, 403, 403, 403])
    assert.deepInclude(asked, {
      host: "api.test",
      port: destination.port,
      method: "GET",
      path: "/yes",
    })
    await using alone = await startProxy(destination, rules)
    assert.strictEqual((await ask(alone, destination, { path: "/yes" })).status, 403)
  })

  it("refuse a flood of headers", async () => {
    await using proxy = await startProxy(destination, withKey())
    assert.match(
      await rawly(
        proxy,
        `CONNECT ${at("api.test")} HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(100_000)}\r\n\r\n`,
      ),
      /^(HTTP\/1.1 4|$)/,
    )
  })

  it("let nothing out after the proxy is closed", async () => {
    const proxy = await startProxy(destination, withKey())
    const tls = await tlsTo(proxy, destination)
    const closed = once(tls, "close")
    await proxy[Symbol.asyncDispose]()
    await closed
  })
})

it("a WebSocket passes the egress proxy, and its request gets the secret", async () => {
  await using proxy = await startProxy(destination, withKey())
  const tls = await tlsTo(proxy, destination)
  tls.write(webSocketRequest(at("api.test")))
  const [first] = await once(tls, "data")
  assert.match(String(first), /^HTTP\/1.1 101 /)
  tls.write("ping")
  const [second] = await once(tls, "data")
  assert.strictEqual(String(second), "ping")
  tls.end()
  await once(tls, "close")
  assert.deepInclude(proxy.attempts[0], {
    path: "/ws",
    outcome: "done",
    status: 101,
    sent: 4,
    received: 4,
  })
})
