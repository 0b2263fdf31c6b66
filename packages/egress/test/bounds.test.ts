import { once } from "node:events"
import { type ClientHttp2Stream, constants } from "node:http2"
import type { Duplex } from "node:stream"
import { setImmediate } from "node:timers/promises"
import type { EgressRules } from "@cordon/core"
import { assert, describe, it } from "vitest"
import {
  ask,
  cutOff,
  http2To,
  rawly,
  secured,
  startForFile,
  startProxy,
  tlsTo,
  tunnelTo,
} from "./support.ts"

const { destination, at } = await startForFile()
const rulesOf = (rule: EgressRules["allow"][string]): EgressRules => ({
  allow: { [at("api.test")]: rule },
})
/** How many requests get to the destination while something is done. */
const arrivedBy = async (what: () => Promise<unknown>) => {
  const before = destination.received.length
  await what()
  return destination.received.length - before
}
/** The end of a connection, also by an error. */
const endOf = (socket: Duplex) =>
  new Promise((resolve) => socket.on("error", () => {}).once("close", resolve))

/** The status of each request, whose content is thrown away. */
const statusesOf = (streams: ReadonlyArray<ClientHttp2Stream>) =>
  Promise.all(
    streams.map(async (stream) => {
      const [headers] = await once(stream, "response")
      stream.resume()
      return headers[":status"]
    }),
  )

/** Questions that are answered later, all at once. `asked` is when so many have come. */
const pending = (expected = 1) => {
  const asked = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<boolean>()
  let count = 0
  const decide = () => {
    count++
    if (count === expected) asked.resolve()
    return answer.promise
  }
  return { asked: asked.promise, answer: answer.resolve, decide }
}

describe("a maximum of requests", () => {
  it("holds for requests that wait for an answer at the same time", async () => {
    const { asked, answer, decide } = pending(3)
    const rules = rulesOf({ action: "ask", maxRequests: 1 })
    await using proxy = await startProxy(destination, rules, { ask: decide, patience: 10_000 })
    const arrived = await arrivedBy(async () => {
      const all = [1, 2, 3].map(() => ask(proxy, destination))
      await asked
      answer(true)
      const statuses = (await Promise.all(all)).map(({ status }) => status)
      assert.deepStrictEqual(statuses.sort(), [200, 403, 403])
    })
    assert.strictEqual(arrived, 1)
  })

  it("holds for requests that come in one packet", async () => {
    await using proxy = await startProxy(destination, rulesOf({ maxRequests: 2 }))
    const arrived = await arrivedBy(async () => {
      await using session = await http2To(proxy, destination)
      const streams = Array.from({ length: 20 }, () =>
        session.request({ ":authority": at("api.test"), ":path": "/" }),
      )
      const statuses = await statusesOf(streams)
      assert.lengthOf(
        statuses.filter((status) => status === 200),
        2,
      )
    })
    assert.strictEqual(arrived, 2)
  })

  it("belongs to its rule, also when new rules list the rule at another place", async () => {
    const limited = { paths: ["/few"], maxRequests: 1 }
    await using proxy = await startProxy(destination, rulesOf([limited, { maxRequests: 5 }]))
    const statusOf = async (path: string) => (await ask(proxy, destination, { path })).status
    assert.deepStrictEqual([await statusOf("/few"), await statusOf("/few")], [200, 403])
    proxy.update(rulesOf([{ paths: ["/new"], maxRequests: 1 }, limited, {}]))
    assert.deepStrictEqual([await statusOf("/new"), await statusOf("/few")], [200, 403])
  })
})

describe("requests under way", () => {
  it("are at most 64 on one connection of HTTP/1.1", async () => {
    const { decide, asked, answer } = pending(20)
    const rules = rulesOf({ action: "ask" })
    await using proxy = await startProxy(destination, rules, { ask: decide, patience: 10_000 })
    const open = async (count: number) => {
      const tls = await tlsTo(proxy, destination)
      tls.write(`GET / HTTP/1.1\r\nHost: ${at("api.test")}\r\n\r\n`.repeat(count))
      return tls
    }
    const few = await open(20)
    await asked
    await endOf((await open(70)).resume())
    answer(true)
    let heard = ""
    few.setEncoding("utf8").on("data", (text: string) => {
      heard += text
    })
    while (heard.split("HTTP/1.1 200").length <= 20) await setImmediate()
    few.destroy()
  })

  it("are at most 256 for a sandbox, also while they wait for an answer", async () => {
    const { decide, asked, answer } = pending(256)
    const rules = rulesOf({ action: "ask" })
    await using proxy = await startProxy(destination, rules, { ask: decide, patience: 10_000 })
    const sessions = await Promise.all([1, 2, 3, 4, 5].map(() => http2To(proxy, destination)))
    const streams = sessions.flatMap((session) =>
      Array.from({ length: 60 }, () =>
        session.request({ ":authority": at("api.test"), ":path": "/" }),
      ),
    )
    await asked
    while (proxy.attempts.length < 44) await setImmediate()
    answer(true)
    const statuses = await statusesOf(streams)
    assert.lengthOf(
      statuses.filter((status) => status === 200),
      256,
    )
    assert.match(proxy.attempts[0]?.reason ?? "", /256 requests are under way/)
    // They count no longer.
    assert.strictEqual((await ask(proxy, destination)).status, 200)
    for (const session of sessions) session.destroy()
  })

  it("no longer count when their program has cancelled them", async () => {
    await using proxy = await startProxy(destination, rulesOf({ methods: ["POST"] }))
    const { NGHTTP2_CANCEL, NGHTTP2_NO_ERROR } = constants
    for (const [code, endStream] of [
      [NGHTTP2_CANCEL, true],
      [NGHTTP2_CANCEL, false],
      [NGHTTP2_NO_ERROR, false],
    ] as const) {
      await using session = await http2To(proxy, destination)
      const before = proxy.attempts.length
      const headers = { ":authority": at("api.test"), ":method": "POST", ":path": "/endless" }
      for (let count = 0; count < 50; count++) {
        const stream = session.request(headers, { endStream })
        stream.on("error", () => {})
        await once(stream, "response")
        stream.close(code)
      }
      while (proxy.attempts.length < before + 50) await setImmediate()
    }
  })

  it("no longer count when their program leaves after an early answer", async () => {
    await using proxy = await startProxy(destination, rulesOf({ methods: ["POST"] }))
    const tls = await tlsTo(proxy, destination)
    tls.write(
      `POST /trailers-only HTTP/1.1\r\nHost: ${at("api.test")}\r\nContent-Length: 9\r\n\r\nx`,
    )
    tls.destroy()
    while (proxy.attempts.length === 0) await setImmediate()
    assert.deepInclude(proxy.attempts[0], { outcome: "failed" })
  })

  it("leave only the beginning of a long path in an attempt", async () => {
    await using proxy = await startProxy(destination, rulesOf({ methods: ["POST"] }))
    await ask(proxy, destination, { path: `/${"x".repeat(20_000)}` })
    assert.isBelow(JSON.stringify(proxy.attempts[0]).length, 3000)
    proxy.update(rulesOf({ paths: ["/**"] }))
    const { status } = await ask(proxy, destination, { path: `/${"x".repeat(9000)}` })
    assert.strictEqual(status, 414)
  })
})

describe("a maximum of bytes", () => {
  it("counts headers", async () => {
    await using proxy = await startProxy(
      destination,
      rulesOf({ methods: ["HEAD"], maxBytes: 5000 }),
    )
    const headers = { "x-long": "y".repeat(4000) }
    const statuses = []
    for (const _ of [1, 2, 3]) {
      const { status } = await ask(proxy, destination, { method: "HEAD", headers })
      statuses.push(status)
    }
    assert.deepStrictEqual(statuses, [200, 403, 403])
  })
})

describe("a request that waited for an answer", () => {
  const rules = () => rulesOf({ action: "ask" })

  it("is not sent when its program is gone", async () => {
    const { asked, answer, decide } = pending()
    await using proxy = await startProxy(destination, rules(), { ask: decide, patience: 10_000 })
    const arrived = await arrivedBy(async () => {
      await using session = await http2To(proxy, destination)
      const stream = session.request({ ":authority": at("api.test"), ":path": "/" })
      stream.on("error", () => {})
      await asked
      session.destroy()
      const taken = proxy.attempts
      await setImmediate()
      while (proxy.sockets() > 0) await setImmediate()
      answer(true)
      while (taken.length === 0) await setImmediate()
      assert.deepInclude(taken[0], {
        outcome: "failed",
        reason: "the sandbox closed the connection",
      })
    })
    assert.strictEqual(arrived, 0)
  })

  it("is not sent when its connection of HTTP/1.1 is gone", async () => {
    for (const lines of ["", "Connection: Upgrade\r\nUpgrade: websocket\r\n"]) {
      const { asked, answer, decide } = pending()
      await using proxy = await startProxy(destination, rules(), { ask: decide, patience: 10_000 })
      const before = destination.connections.size
      const arrived = await arrivedBy(async () => {
        const tls = await tlsTo(proxy, destination)
        tls.write(`GET / HTTP/1.1\r\nHost: ${at("api.test")}\r\n${lines}\r\n`)
        await asked
        tls.destroy()
        while (proxy.sockets() > 0) await setImmediate()
        answer(true)
        while (proxy.attempts.length === 0) await setImmediate()
      })
      assert.deepInclude(proxy.attempts[0], {
        outcome: "failed",
        reason: "the sandbox closed the connection",
      })
      assert.deepStrictEqual([arrived, destination.connections.size], [0, before])
    }
  })

  it("is not sent when the proxy is closed", async () => {
    const { asked, answer, decide } = pending()
    const proxy = await startProxy(destination, rules(), { ask: decide, patience: 10_000 })
    const arrived = await arrivedBy(async () => {
      const refused = ask(proxy, destination).catch(() => {})
      await asked
      await proxy[Symbol.asyncDispose]()
      answer(true)
      await refused
      while (proxy.attempts.length === 0) await setImmediate()
      assert.deepInclude(proxy.attempts[0], { outcome: "refused" })
    })
    assert.strictEqual(arrived, 0)
  })
})

describe("new rules", () => {
  it("refuse a tunnel that has not greeted yet", async () => {
    await using proxy = await startProxy(destination, rulesOf({}))
    const { socket } = await tunnelTo(proxy, at("api.test"))
    proxy.update({ allow: {} })
    await cutOff(secured(socket, { servername: "api.test", ca: destination.ca }))
    assert.deepInclude(proxy.attempts[0], { outcome: "ended", reason: "the rules have changed" })
  })

  it("end a tunnel that they would inspect", async () => {
    for (const rule of [
      { action: "ask" as const },
      { maxRequests: 5 },
      { headers: { a: "secret-value" } },
    ]) {
      await using proxy = await startProxy(destination, rulesOf({}))
      const tls = await tlsTo(proxy, destination, { ca: destination.ca })
      const closed = endOf(tls)
      tls.resume()
      proxy.update(rulesOf(rule))
      await closed
      assert.deepInclude(proxy.attempts[0], { outcome: "ended", reason: "the rules have changed" })
    }
  })

  it("end what is under way to an address that they close", async () => {
    const deny = { denyAddresses: ["127.0.0.0/8"] }
    for (const rule of [{}, { methods: ["GET", "POST"] }]) {
      await using proxy = await startProxy(destination, rulesOf(rule))
      const { socket } = await tunnelTo(proxy, at("api.test"))
      const ca = "methods" in rule ? proxy.authority.certificate : destination.ca
      const tls = await secured(socket, { servername: "api.test", ca })
      tls.write(
        `POST /echo HTTP/1.1\r\nHost: ${at("api.test")}\r\nContent-Length: 1000\r\n\r\nbegun`,
      )
      await once(tls, "data")
      const closed = endOf(tls.resume())
      proxy.update({ ...rulesOf(rule), ...deny })
      await closed
      assert.deepInclude(proxy.attempts[0], { outcome: "ended", reason: "the rules have changed" })
    }
  })

  it("limit the bytes of what is under way", async () => {
    await using proxy = await startProxy(destination, rulesOf({}))
    const tls = await tlsTo(proxy, destination, { ca: destination.ca })
    proxy.update(rulesOf({ maxBytes: 50_000 }))
    const closed = endOf(tls)
    tls.resume()
    tls.write(`POST /echo HTTP/1.1\r\nHost: ${at("api.test")}\r\nContent-Length: 1000000\r\n\r\n`)
    tls.write(Buffer.alloc(100_000))
    await closed
    assert.deepInclude(proxy.attempts[0], { outcome: "ended" })
  })
})

it("a key does not go over plain HTTP when new rules add it while somebody is asked", async () => {
  const { asked, answer, decide } = pending()
  await using proxy = await startProxy(destination, rulesOf({ action: "ask" }), {
    ask: decide,
    patience: 10_000,
  })
  const heard = rawly(
    proxy,
    `GET http://${at("api.test")}/ HTTP/1.1\r\nHost: ${at("api.test")}\r\nConnection: close\r\n\r\n`,
  )
  await asked
  proxy.update(rulesOf({ action: "ask", headers: { authorization: "secret-value" } }))
  answer(true)
  assert.match(await heard, /^HTTP\/1.1 403 .*by https only/s)
})

it("a request over plain HTTP that would get a key is refused and reported, and nobody is asked", async () => {
  let questions = 0
  const rules = rulesOf({ action: "ask", headers: { authorization: "secret-value" } })
  await using proxy = await startProxy(destination, rules, {
    ask: () => {
      questions++
      return true
    },
  })
  await rawly(
    proxy,
    `GET http://${at("api.test")}/ HTTP/1.1\r\nHost: ${at("api.test")}\r\nConnection: close\r\n\r\n`,
  )
  assert.strictEqual(questions, 0)
  assert.deepInclude(proxy.attempts[0], { outcome: "refused", path: "/" })
  assert.match(proxy.attempts[0]?.reason ?? "", /by https only/)
})
