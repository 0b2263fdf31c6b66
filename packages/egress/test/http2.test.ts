import { once } from "node:events"
import type { ClientHttp2Stream, IncomingHttpHeaders, IncomingHttpStatusHeader } from "node:http2"
import { setTimeout } from "node:timers/promises"
import type { EgressRules } from "@cordon/core"
import { assert, describe, it } from "vitest"
import {
  ask,
  askHttp2,
  type Destination,
  http2To,
  key,
  made,
  startDestination,
  startForFile,
  startProxy,
  type TestProxy,
  tlsTo,
} from "./support.ts"

const stars = "*".repeat(key.length)
const { destination, at } = await startForFile()
const withKey = (): EgressRules => ({
  allow: { [at("api.test")]: { headers: { authorization: `Bearer ${key}` } } },
})
const echo = { ":method": "POST", ":path": "/echo", te: "trailers" } as const
const headersOf = async (stream: ClientHttp2Stream, event = "response") =>
  (await once(stream, event)) as [IncomingHttpHeaders & IncomingHttpStatusHeader, number]
const last = () => destination.received.at(-1)

describe("an HTTP/2 request", () => {
  it("is sent as HTTP/2 to a destination that speaks it, and as HTTP/1.1 to another", async () => {
    await using old = await startDestination({ hasHttp2: false })
    for (const [to, version] of [
      [destination, "2.0"],
      [old, "1.1"],
    ] as const) {
      const allow = { [`api.test:${to.port}`]: { headers: { authorization: `Bearer ${key}` } } }
      await using proxy = await startProxy(to, { allow })
      for (const body of ["", "hello"]) {
        const method = body === "" ? "GET" : "POST"
        const answer = await askHttp2(proxy, to, { ":method": method }, body)
        assert.deepStrictEqual(
          [answer.status, answer.body],
          [200, `you said Bearer ${stars} and ${body.length} bytes`],
        )
        assert.deepInclude(to.received.at(-1), { version, body, method })
      }
      assert.strictEqual((await ask(proxy, to)).status, 200)
      assert.strictEqual(to.received.at(-1)?.version, "1.1")
      assert.deepInclude(proxy.attempts[1], { outcome: "done", status: 200, sent: 5 })
    }
  })

  it("shares one connection to its destination with other requests", async () => {
    await using proxy = await startProxy(destination, withKey())
    const before = destination.connections.size
    const all = Array.from({ length: 20 }, () => askHttp2(proxy, destination, {}))
    const statuses = (await Promise.all(all)).map(({ status }) => status)
    assert.isTrue(statuses.every((status) => status === 200))
    assert.strictEqual(destination.connections.size - before, 1)
  })

  it("streams in both directions and carries trailers, without secrets", async () => {
    await using proxy = await startProxy(destination, withKey())
    await using session = await http2To(proxy, destination)
    const stream = session.request(echo)
    // The answer begins before anything was sent.
    const [headers] = await headersOf(stream)
    assert.strictEqual(headers[":status"], 200)
    assert.strictEqual(headers["content-type"], "application/grpc")
    for (const word of ["one", "two", "three"]) {
      stream.write(word)
      const [heard] = (await once(stream, "data")) as [Buffer]
      assert.strictEqual(String(heard), word)
    }
    const trailers = headersOf(stream, "trailers")
    stream.end()
    assert.deepInclude((await trailers)[0], { "grpc-status": "0", "x-told": `Bearer ${stars}` })
    await once(stream, "close")
    assert.strictEqual(last()?.headers["te"], "trailers")
    assert.deepInclude(proxy.attempts[0], {
      path: "/echo",
      outcome: "done",
      status: 200,
      sent: 11,
      received: 11,
    })
  })

  it("with a headers-only response gets one inside", async () => {
    await using proxy = await startProxy(destination, withKey())
    await using session = await http2To(proxy, destination)
    const stream = session.request({ ...echo, ":path": "/trailers-only" })
    stream.end()
    const [headers, flags] = await headersOf(stream)
    assert.strictEqual(headers["grpc-status"], "5")
    // END_STREAM: without it, gRPC takes them for the first of two blocks of headers.
    assert.strictEqual(flags & 1, 1)
  })

  it("carries megabytes in both directions", async () => {
    await using proxy = await startProxy(destination, withKey())
    await using session = await http2To(proxy, destination)
    const stream = session.request(echo)
    const piece = Buffer.alloc(1024 * 1024, "x")
    let heard = 0
    stream.on("data", (bytes: Buffer) => {
      heard += bytes.length
    })
    for (let count = 0; count < 16; count++) {
      if (!stream.write(piece)) await once(stream, "drain")
    }
    stream.end()
    await once(stream, "close")
    assert.strictEqual(heard, 16 * piece.length)
  })

  it("whose response nobody reads does not fill memory", async () => {
    await using proxy = await startProxy(destination, withKey())
    await using session = await http2To(proxy, destination)
    made.bytes = 0
    const streams = Array.from({ length: 10 }, () => {
      const stream = session.request({ ":path": "/endless" })
      stream.on("error", () => {})
      return stream
    })
    await Promise.all(streams.map((stream) => headersOf(stream)))
    let before = -1
    while (made.bytes !== before) {
      before = made.bytes
      await setTimeout(200)
    }
    // Windows and buffers of each stream, and no more.
    assert.isBelow(made.bytes, streams.length * 1024 * 1024)
  })

  it("sends no more than the destination reads", async () => {
    await using proxy = await startProxy(destination, withKey())
    await using session = await http2To(proxy, destination)
    // The destination sends back what it gets, and nobody reads it.
    const stream = session.request(echo)
    stream.on("error", () => {})
    await headersOf(stream)
    let sent = 0
    const piece = Buffer.alloc(64 * 1024)
    const more = () => {
      while (stream.write(piece)) sent += piece.length
    }
    stream.on("drain", more)
    more()
    let before = -1
    while (sent !== before) {
      before = sent
      await setTimeout(200)
    }
    assert.isBelow(sent, 4 * 1024 * 1024)
  })
})

describe("a running HTTP/2 request", () => {
  const begun = async (rules: EgressRules) => {
    const proxy = await startProxy(destination, rules)
    const session = await http2To(proxy, destination)
    const stream = session.request(echo)
    stream.on("error", () => {})
    stream.write("begun")
    await headersOf(stream)
    await once(stream, "data")
    return { proxy, session, stream }
  }

  it("is ended by new rules, and others on its connection continue", async () => {
    const { proxy, session, stream } = await begun({
      allow: { [at("api.test")]: { paths: ["/**"] } },
    })
    await using _ = proxy
    await using __ = session
    stream.resume()
    const closed = new Promise((resolve) => stream.on("close", resolve))
    proxy.update({ allow: { [at("api.test")]: { paths: ["/open"] } } })
    await closed
    assert.notStrictEqual(stream.rstCode, 0)
    assert.deepInclude(proxy.attempts[0], { path: "/echo", outcome: "ended" })
    for (const [path, status] of [
      ["/echo", 403],
      ["/open", 200],
    ] as const) {
      const next = session.request({ ":path": path })
      next.resume()
      assert.strictEqual((await headersOf(next))[0][":status"], status)
    }
  })

  it("is ended when it exceeds its rule's bytes", async () => {
    const { proxy, session, stream } = await begun({
      allow: { [at("api.test")]: { methods: ["POST"], maxBytes: 1000 } },
    })
    await using _ = proxy
    await using __ = session
    stream.resume()
    const closed = new Promise((resolve) => stream.on("close", resolve))
    stream.write(Buffer.alloc(2000))
    await closed
    assert.deepInclude(proxy.attempts[0], { outcome: "ended" })
    const next = session.request({ ...echo })
    next.end()
    assert.strictEqual((await headersOf(next))[0][":status"], 403)
  })

  it("ends at its destination when the sandbox disconnects", async () => {
    const { proxy, session } = await begun(withKey())
    await using _ = proxy
    session.destroy()
    while (proxy.attempts.length === 0) await setTimeout(10)
    assert.deepInclude(proxy.attempts[0], { outcome: "failed" })
  })

  it("is reported as failed when its destination breaks it", async () => {
    const { proxy, session, stream } = await begun(withKey())
    await using _ = proxy
    await using __ = session
    stream.resume()
    const closed = new Promise((resolve) => stream.on("close", resolve))
    for (const socket of destination.connections) socket.destroy()
    await closed
    assert.notStrictEqual(stream.rstCode, 0)
    assert.deepInclude(proxy.attempts[0], { outcome: "failed", status: 200 })
    // A connection that broke is not used again.
    assert.strictEqual((await askHttp2(proxy, destination, {})).status, 200)
  })

  it("ends with the proxy, also while connecting to its destination", async () => {
    const { proxy, session, stream } = await begun(withKey())
    await using _ = session
    const closed = new Promise((resolve) => stream.on("close", resolve))
    await proxy[Symbol.asyncDispose]()
    await closed
    assert.deepInclude(proxy.attempts[0], { outcome: "ended" })
  })
})

type Field = readonly [name: string, value: string]

const frame = (type: number, flags: number, stream: number, payload: Buffer) => {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head.writeUInt8(type, 3)
  head.writeUInt8(flags, 4)
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** Sends a request whose headers no client of HTTP/2 would send, and tells whether it is answered by a status. */
const sendFields = async (
  proxy: TestProxy,
  to: Destination,
  fields: ReadonlyArray<Field>,
): Promise<"answered" | "refused"> => {
  const tls = await tlsTo(proxy, to, { alpn: ["h2"] })
  tls.on("error", () => {})
  const [headers, reset, goAway] = [1, 3, 7]
  // Literal fields that are not indexed (RFC 7541, 6.2.2).
  const text = (value: string) => Buffer.concat([Buffer.from([value.length]), Buffer.from(value)])
  const block = fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)])
  tls.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
  tls.write(frame(4, 0, 0, Buffer.alloc(0)))
  // END_HEADERS and END_STREAM: nothing follows.
  tls.write(frame(headers, 5, 1, Buffer.concat(block)))
  let heard = Buffer.alloc(0)
  try {
    for await (const bytes of tls) {
      heard = Buffer.concat([heard, bytes])
      while (heard.length >= 9 && heard.length >= 9 + heard.readUIntBE(0, 3)) {
        const type = heard.readUInt8(3)
        if (type === headers) return "answered"
        if (type === reset || type === goAway) return "refused"
        heard = heard.subarray(9 + heard.readUIntBE(0, 3))
      }
    }
    return "refused"
  } finally {
    tls.destroy()
  }
}

describe("an attack over HTTP/2", () => {
  it("can't name another host by any header", async () => {
    await using proxy = await startProxy(destination, withKey())
    const before = destination.received.length
    const fine = { ":authority": at("api.test"), host: at("other.test") }
    assert.strictEqual((await askHttp2(proxy, destination, fine)).status, 200)
    assert.strictEqual(last()?.headers[":authority"], at("api.test"))
    assert.isUndefined(last()?.headers.host)
    for (const authority of [at("other.test"), "api.test", "127.0.0.1"]) {
      const { status } = await askHttp2(proxy, destination, { ":authority": authority })
      assert.strictEqual(status, 421, authority)
    }
    assert.strictEqual(destination.received.length, before + 1)
  })

  it("can't use fields that HTTP/1.1 reads differently or HTTP/2 forbids", async () => {
    await using proxy = await startProxy(destination, withKey())
    const fine: ReadonlyArray<Field> = [
      [":method", "POST"],
      [":scheme", "https"],
      [":authority", at("api.test")],
      [":path", "/"],
    ]
    assert.strictEqual(await sendFields(proxy, destination, fine), "answered")
    const clean = last()
    const cases: ReadonlyArray<ReadonlyArray<Field>> = [
      ...(
        [
          ["transfer-encoding", "chunked"],
          ["connection", "close"],
          ["connection", "authorization"],
          ["keep-alive", "timeout=5"],
          ["proxy-connection", "close"],
          ["upgrade", "h2c"],
          ["te", "gzip"],
          ["X-Upper", "a"],
          ["x y", "a"],
          ["x", "a\r\ntransfer-encoding: chunked"],
          ["x", "a\0b"],
          ["content-length", "5"],
          [":path", "/other"],
          [":authority", at("other.test")],
          [":status", "200"],
          [":protocol", "websocket"],
          [":unknown", "a"],
        ] as const
      ).map((field) => [...fine, field]),
      [...fine, ["content-length", "0"], ["content-length", "5"]],
      [...fine.slice(0, 3), ["x", "a"], ...fine.slice(3)],
      fine.slice(0, 3),
      [...fine.slice(0, 3), [":path", ""]],
      [[":method", "CONNECT"], [":protocol", "websocket"], ...fine.slice(1)],
    ]
    const before = destination.received.length
    const answered: Array<string> = []
    for (const fields of cases) {
      const how = await sendFields(proxy, destination, fields)
      if (how === "answered") answered.push(String(fields.at(-1)))
    }
    // Fields of impossible characters are left out, before the rules are asked; all else ends the stream.
    assert.deepStrictEqual(answered, ["x y,a", "x,a\r\ntransfer-encoding: chunked", "x,a\0b"])
    const got = destination.received.slice(before)
    for (const one of got) assert.deepStrictEqual(one, clean)
  })

  it("can't get past a rule with its method in lower case", async () => {
    const rule = [{ methods: ["DELETE"], action: "deny" as const }, {}]
    await using old = await startDestination({ hasHttp2: false })
    for (const to of [destination, old]) {
      await using proxy = await startProxy(to, { allow: { [`api.test:${to.port}`]: rule } })
      const before = to.received.length
      for (const method of ["delete", "Delete", "DELETE"]) {
        const headers = { ":authority": `api.test:${to.port}`, ":method": method }
        assert.include([400, 403], (await askHttp2(proxy, to, headers)).status, method)
      }
      assert.lengthOf(to.received.slice(before), 0)
    }
  })

  it("can't open a tunnel by CONNECT", async () => {
    await using proxy = await startProxy(destination, withKey())
    await using session = await http2To(proxy, destination)
    const stream = session.request({ ":method": "CONNECT", ":authority": at("other.test") })
    stream.on("error", () => {})
    stream.resume()
    assert.strictEqual((await headersOf(stream))[0][":status"], 405)
    assert.isEmpty(proxy.attempts)
  })

  it("can't get a secret by trailers that a destination could take for headers", async () => {
    await using proxy = await startProxy(destination, withKey())
    await using session = await http2To(proxy, destination)
    const stream = session.request(echo, { waitForTrailers: true })
    stream.on("wantTrailers", () => stream.sendTrailers({ authorization: "Bearer mine" }))
    stream.resume()
    stream.end("body")
    await once(stream, "close")
    assert.strictEqual(last()?.headers.authorization, `Bearer ${key}`)
    assert.deepInclude(proxy.attempts[0], { outcome: "done", sent: 4 })
  })

  it("can't get placeholders replaced for another destination", async () => {
    await using proxy = await startProxy(destination, {
      allow: { [at("api.test")]: { secrets: { TOKEN: key } } },
    })
    const { TOKEN = "" } = proxy.env
    const answer = await askHttp2(proxy, destination, { authorization: `Bearer ${TOKEN}` })
    assert.strictEqual(last()?.headers.authorization, `Bearer ${key}`)
    assert.notInclude(JSON.stringify(answer), key)
  })

  it("can't reach a private address", async () => {
    await using proxy = await startProxy(
      destination,
      { ...withKey(), allowAddresses: ["10.0.0.0/8"] },
      { hosts: { "api.test": "127.0.0.1" } },
    )
    const before = destination.connections.size
    assert.strictEqual((await askHttp2(proxy, destination, {})).status, 403)
    assert.strictEqual(destination.connections.size, before)
    assert.deepInclude(proxy.attempts[0], { outcome: "refused" })
  })

  it("can't stop the proxy by opening and resetting thousands of streams", async () => {
    await using proxy = await startProxy(destination, withKey())
    await using session = await http2To(proxy, destination)
    for (let count = 0; count < 3000 && !session.closed; count++) {
      const stream = session.request(echo)
      stream.on("error", () => {})
      stream.close(8)
      if (count % 100 === 0) await setTimeout(1)
    }
    assert.strictEqual((await askHttp2(proxy, destination, {})).status, 200)
  })
})
