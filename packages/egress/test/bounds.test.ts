import { once } from "node:events"
import type { Duplex } from "node:stream"
import { setImmediate } from "node:timers/promises"
import type { EgressRules } from "@cordon/core"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import {
  ask,
  type Destination,
  http2To,
  rawly,
  secured,
  startDestination,
  startProxy,
  tunnelTo,
} from "./support.ts"

let destination: Destination
beforeAll(async () => {
  destination = await startDestination()
})
afterAll(() => destination[Symbol.asyncDispose]())

const at = (name: string) => `${name}:${destination.port}`
const rulesOf = (rule: EgressRules["allow"][string]): EgressRules => ({
  allow: { [at("api.test")]: rule },
})
/** How many requests get to the destination while something is done. */
const arrivedBy = async (what: () => Promise<unknown>) => {
  const before = destination.received.length
  await what()
  return destination.received.length - before
}
const assertRejects = (what: Promise<unknown>) =>
  what.then(
    () => assert.fail("it succeeded"),
    () => {},
  )

/** The end of a connection, also by an error. */
const endOf = (socket: Duplex) =>
  new Promise((resolve) => socket.on("error", () => {}).once("close", resolve))

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
      const statuses = await Promise.all(
        streams.map(async (stream) => {
          const [headers] = await once(stream, "response")
          stream.resume()
          return headers[":status"]
        }),
      )
      assert.lengthOf(
        statuses.filter((status) => status === 200),
        2,
      )
    })
    assert.strictEqual(arrived, 2)
  })

  it("is a rule's own, whatever place the rule gets in new rules", async () => {
    const limited = { paths: ["/few"], maxRequests: 1 }
    await using proxy = await startProxy(destination, rulesOf([limited, { maxRequests: 5 }]))
    const statusOf = async (path: string) => (await ask(proxy, destination, { path })).status
    assert.deepStrictEqual([await statusOf("/few"), await statusOf("/few")], [200, 403])
    proxy.update(rulesOf([{ paths: ["/new"], maxRequests: 1 }, limited, {}]))
    assert.deepStrictEqual([await statusOf("/new"), await statusOf("/few")], [200, 403])
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
    await assertRejects(secured(socket, { servername: "api.test", ca: destination.ca }))
    assert.deepInclude(proxy.attempts[0], { outcome: "ended", reason: "the rules have changed" })
  })

  it("end a tunnel that they would look into", async () => {
    for (const rule of [
      { action: "ask" as const },
      { maxRequests: 5 },
      { headers: { a: "secret-value" } },
    ]) {
      await using proxy = await startProxy(destination, rulesOf({}))
      const { socket } = await tunnelTo(proxy, at("api.test"))
      const tls = await secured(socket, { servername: "api.test", ca: destination.ca })
      const closed = endOf(tls)
      tls.resume()
      proxy.update(rulesOf(rule))
      await closed
      assert.deepInclude(proxy.attempts[0], { outcome: "ended", reason: "the rules have changed" })
    }
  })

  it("limit the bytes of what is under way", async () => {
    await using proxy = await startProxy(destination, rulesOf({}))
    const { socket } = await tunnelTo(proxy, at("api.test"))
    const tls = await secured(socket, { servername: "api.test", ca: destination.ca })
    proxy.update(rulesOf({ maxBytes: 50_000 }))
    const closed = endOf(tls)
    tls.resume()
    tls.write(`POST /echo HTTP/1.1\r\nHost: ${at("api.test")}\r\nContent-Length: 1000000\r\n\r\n`)
    tls.write(Buffer.alloc(100_000))
    await closed
    assert.deepInclude(proxy.attempts[0], { outcome: "ended" })
  })
})

it("a refusal of a key over plain HTTP is an attempt, and asks nobody", async () => {
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
