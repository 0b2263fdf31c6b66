import { createSocket, type RemoteInfo } from "node:dgram"
import type { LookupAddress } from "node:dns"
import { lookup, Resolver } from "node:dns/promises"
import { once } from "node:events"
import { Effect } from "effect"
import { assert, describe, it } from "vitest"
import { AddressRefused, lookupOpen } from "../src/destinations.ts"
import { parsePolicy } from "../src/policy.ts"

const type = { A: 1, AAAA: 28 } as const

/** An answer to a query, with one address, or without one where the type is another. */
const answerTo = (query: Buffer, address: ReadonlyArray<number>): Buffer => {
  let end = 12
  while (query[end] !== 0) end += (query[end] ?? 0) + 1
  const asked = query.readUInt16BE(end + 1)
  const question = query.subarray(12, end + 5)
  const has = asked === (address.length === 4 ? type.A : type.AAAA)
  const header = Buffer.from([0, 0, 0x81, 0x80, 0, 1, 0, has ? 1 : 0, 0, 0, 0, 0])
  query.copy(header, 0, 0, 2)
  const record = Buffer.from([0xc0, 12, 0, asked, 0, 1, 0, 0, 0, 0, 0, address.length, ...address])
  return Buffer.concat([header, question, ...(has ? [record] : [])])
}

/** A name server that answers with an address after the other, or not at all. */
const startServer = async (...addresses: ReadonlyArray<ReadonlyArray<number>>) => {
  const socket = createSocket("udp4")
  let queries = 0
  socket.on("message", (query: Buffer, { port }: RemoteInfo) => {
    // Each look-up asks twice: for IPv4 and for IPv6.
    const address = addresses[Math.min(Math.floor(queries / 2), addresses.length - 1)]
    queries++
    if (address !== undefined) socket.send(answerTo(query, address), port, "127.0.0.1")
  })
  socket.bind(0, "127.0.0.1")
  await once(socket, "listening")
  const resolver = new Resolver({ timeout: 1000, tries: 1 })
  resolver.setServers([`127.0.0.1:${socket.address().port}`])
  return {
    resolver,
    queries: () => queries,
    [Symbol.asyncDispose]: async () => {
      resolver.cancel()
      socket.close()
      await once(socket, "close")
    },
  }
}

const policy = Effect.runSync(
  parsePolicy({
    allow: { "*.wild.test": {}, "named.test": {} },
    allowAddresses: ["10.1.0.0/16", "fd00::/64"],
  }),
)
const found = (host: string, resolver: Resolver) =>
  new Promise<ReadonlyArray<LookupAddress>>((resolve, reject) =>
    lookupOpen(policy, {}, resolver)(host, { all: true }, (error, addresses) => {
      if (error === null && Array.isArray(addresses)) resolve(addresses)
      else reject(error)
    }),
  )
const reasonOf = (what: Promise<unknown>) =>
  what.then(
    () => assert.fail("it was found"),
    (error: unknown) => error,
  )

describe("a name that a wildcard covers", () => {
  it.each([
    ["10.1.2.3", 4, [10, 1, 2, 3]],
    ["fd00::1", 6, [0xfd, ...Array.from({ length: 14 }, () => 0), 1]],
  ] as const)("resolves by the name servers to %s", async (address, family, bytes) => {
    await using server = await startServer(bytes)
    assert.deepStrictEqual(await found("a.wild.test", server.resolver), [{ address, family }])
  })

  it("is refused when it resolves to a private address", async () => {
    await using server = await startServer([192, 168, 0, 1])
    assert.instanceOf(await reasonOf(found("a.wild.test", server.resolver)), AddressRefused)
  })

  it("is judged anew for each connection, since its server may answer with another address", async () => {
    await using server = await startServer([10, 1, 2, 3], [127, 0, 0, 1], [10, 1, 9, 9])
    const look = () => found("a.wild.test", server.resolver)
    assert.deepStrictEqual(await look(), [{ address: "10.1.2.3", family: 4 }])
    assert.instanceOf(await reasonOf(look()), AddressRefused)
    assert.deepStrictEqual(await look(), [{ address: "10.1.9.9", family: 4 }])
  })

  it("holds up no other look-up of the program when its name server is silent", async () => {
    await using server = await startServer()
    let failed = 0
    const silent = Array.from({ length: 100 }, (_, index) =>
      reasonOf(found(`a${index}.wild.test`, server.resolver)).then(() => failed++),
    )
    // The system has few threads for this; one of them is still free.
    await lookup("localhost")
    assert.strictEqual(failed, 0)
    await Promise.all(silent)
    assert.isAtLeast(server.queries(), 100)
  })
})

it("an exact name of the rules is resolved by the system, and not by the name servers", async () => {
  await using server = await startServer([10, 1, 2, 3])
  await reasonOf(found("named.test", server.resolver))
  assert.strictEqual(server.queries(), 0)
})
