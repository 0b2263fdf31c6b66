import { once } from "node:events"
import { connect } from "node:net"
import { Closed, InvalidInput, LeaseLost, PortUnreachable, SandboxNotFound } from "@cordon/core"
import { assert, describe, it } from "vitest"
import { openGateway, openGatewayBy, type Sharing } from "../src/gateway.ts"
import {
  ask,
  askWithToken,
  begin,
  closing,
  manualClock,
  openWebSocket,
  rawly,
  startInside,
} from "./support.ts"

/** A sandbox that can't be connected to. */
const unreachable = (error: Error): Sharing => ({
  ports: { connect: () => Promise.reject(error) },
})

describe("a shared port", () => {
  it("passes requests of any method on, and their responses back", async () => {
    await using inside = await startInside()
    await using gateway = await openGateway()
    const share = await gateway.share(inside.sandbox, 3000)
    for (const method of ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]) {
      const { status, body } = await askWithToken(gateway, share, {
        method,
        path: "/a//b%2Fc?x=1&y=%20",
        ...(method === "GET" ? {} : { body: "the content" }),
      })
      assert.deepStrictEqual([status, body], [200, `inside has ${method} /a//b%2Fc?x=1&y=%20`])
    }
    assert.strictEqual(inside.received[1]?.body, "the content")
    const head = await askWithToken(gateway, share, { method: "HEAD" })
    assert.deepStrictEqual([head.status, head.body], [200, ""])
  })

  it("has its own origin, beside others of the same gateway", async () => {
    await using one = await startInside((_, response) => response.end("one"))
    await using two = await startInside((_, response) => response.end("two"))
    await using gateway = await openGateway()
    const shares = [
      await gateway.share(one.sandbox, 3000),
      await gateway.share(two.sandbox, 3000),
      await gateway.share(two.sandbox, 3000),
    ] as const
    assert.strictEqual(new Set(shares.map(({ origin }) => origin)).size, 3)
    assert.strictEqual(new Set(shares.map(({ token }) => token)).size, 3)
    for (const { url, origin, token } of shares) {
      assert.match(origin, new RegExp(`^http://p-[0-9a-f]{24}\\.localhost:${gateway.port}$`))
      assert.strictEqual(url, `${origin}/?cordon_token=${token}`)
      // 256 random bits.
      assert.match(token, /^[\w-]{43}$/)
    }
    assert.strictEqual((await askWithToken(gateway, shares[0])).body, "one")
    assert.strictEqual((await askWithToken(gateway, shares[1])).body, "two")
    const other = { "x-cordon-token": shares[1].token }
    assert.strictEqual((await ask(gateway, shares[0], { headers: other })).status, 401)
  })

  it("streams a response as it comes", async () => {
    const parts: Array<() => void> = []
    await using inside = await startInside((_, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" })
      response.flushHeaders()
      parts.push(
        () => response.write("data: 1\n\n"),
        () => response.end("data: 2\n\n"),
      )
    })
    await using gateway = await openGateway()
    const incoming = await begin(gateway, await gateway.share(inside.sandbox, 3000))
    assert.strictEqual(incoming.headers["content-type"], "text/event-stream")
    parts[0]?.()
    assert.strictEqual(String((await once(incoming, "data"))[0]), "data: 1\n\n")
    const ended = once(incoming, "end")
    parts[1]?.()
    assert.strictEqual(String((await once(incoming, "data"))[0]), "data: 2\n\n")
    await ended
  })

  it("carries WebSockets both ways, and closes both sides with either", async () => {
    await using inside = await startInside()
    await using gateway = await openGateway()
    const share = await gateway.share(inside.sandbox, 3000)
    const { socket, until } = openWebSocket(gateway, share)
    const head = await until("hello ")
    assert.match(head, /^HTTP\/1\.1 101 Switching Protocols\r\n/)
    assert.match(head, /^set-cookie: a=b\r$/im)
    socket.write("there")
    assert.match(await until("hello there"), /\r\n\r\nhello there$/)
    const received = inside.received[0]
    assert.strictEqual(received?.headers["sec-websocket-key"], "dGhlIHNhbXBsZSBub25jZQ==")
    assert.isUndefined(received?.headers["x-cordon-token"])
    const [dialled] = inside.dialled
    socket.destroy()
    if (dialled !== undefined) await closing(dialled)

    const second = openWebSocket(gateway, share)
    await second.until("hello ")
    inside.dialled[1]?.destroy()
    await second.until("the end")
    assert.isTrue(second.socket.closed)
  })

  it("passes on the refusal of a WebSocket inside", async () => {
    await using inside = await startInside()
    await using gateway = await openGateway()
    const share = await gateway.share(inside.sandbox, 3000)
    const { socket, until } = openWebSocket(gateway, share)
    await until("hello ")
    socket.destroy()
    const { host } = new URL(share.origin)
    const answer = await rawly(
      gateway,
      `GET /refused HTTP/1.1\r\nhost: ${host}\r\nconnection: Upgrade\r\nupgrade: websocket\r\nx-cordon-token: ${share.token}\r\n\r\n`,
    )
    assert.match(answer, /^HTTP\/1\.1 403 Forbidden\r\n[\s\S]*connection: close\r\n\r\nno$/)
    assert.notMatch(answer, /transfer-encoding/)
  })

  it("answers an offer of another protocol over HTTP/1.1", async () => {
    await using inside = await startInside()
    await using gateway = await openGateway()
    const share = await gateway.share(inside.sandbox, 3000)
    const { status } = await askWithToken(gateway, share, {
      headers: {
        connection: "Upgrade, HTTP2-Settings",
        upgrade: "h2c",
        "http2-settings": "AAMAAABk",
      },
    })
    assert.strictEqual(status, 200)
    assert.isUndefined(inside.received[0]?.headers.upgrade)
    assert.isUndefined(inside.received[0]?.headers["http2-settings"])
  })

  it("closes the connection inside when its client has gone", async () => {
    await using inside = await startInside(() => {})
    await using gateway = await openGateway()
    const share = await gateway.share(inside.sandbox, 3000)
    const asking = rawlyOpen(gateway.port, share.origin, share.token)
    while (inside.dialled.length === 0) await new Promise((resolve) => setTimeout(resolve, 5))
    asking.destroy()
    const [dialled] = inside.dialled
    if (dialled !== undefined) await closing(dialled)
  })
})

const rawlyOpen = (port: number, origin: string, token: string) => {
  const socket = connect(port, "127.0.0.1")
  socket.on("error", () => socket.destroy())
  socket.write(
    `GET / HTTP/1.1\r\nhost: ${new URL(origin).host}\r\nx-cordon-token: ${token}\r\n\r\n`,
  )
  return socket
}

describe("the end of a shared port", () => {
  it("at its expiry closes WebSockets, and gives a running request one more minute", async () => {
    const finish: Array<() => void> = []
    await using inside = await startInside((incoming, response) => {
      response.write("begun")
      if (incoming.url === "/soon") finish.push(() => response.end(" and ended"))
    })
    const { clock, pass, timers } = manualClock()
    await using gateway = await openGatewayBy(clock, {})
    const share = await gateway.share(inside.sandbox, 3000, { expires: "10 minutes" })
    assert.strictEqual(share.expiresAt.getTime(), clock.now() + 600_000)
    const soon = await begin(gateway, share, { path: "/soon" })
    const never = await begin(gateway, share, { path: "/never" })
    const { socket, until } = openWebSocket(gateway, share)
    await until("hello ")
    pass(599_999)
    assert.isFalse(socket.closed)
    pass(1)
    await until("the end")
    assert.isTrue(socket.closed)
    const late = await askWithToken(gateway, share)
    assert.strictEqual(late.status, 410)
    assert.match(late.body, /^Cordon: This address has expired\. /)
    finish[0]?.()
    await closing(soon)
    assert.isTrue(soon.complete)
    assert.isFalse(never.closed)
    pass(60_000)
    await closing(never)
    assert.isFalse(never.complete)
    assert.strictEqual(timers.size, 0)
  })

  it("happens at its expiry even if no timer fired", async () => {
    await using inside = await startInside()
    const { clock, timers, pass } = manualClock()
    await using gateway = await openGatewayBy(clock, {})
    const share = await gateway.share(inside.sandbox, 3000)
    timers.clear()
    pass(3_600_000)
    assert.strictEqual((await askWithToken(gateway, share)).status, 410)
  })

  it("by revoke() closes all its connections, and none of another port", async () => {
    await using inside = await startInside((_, response) => void response.write("begun"))
    await using gateway = await openGateway()
    const share = await gateway.share(inside.sandbox, 3000)
    const other = await gateway.share(inside.sandbox, 3000)
    const incoming = await begin(gateway, share)
    const kept = await begin(gateway, other)
    const { socket, until } = openWebSocket(gateway, share)
    await until("hello ")
    await share.revoke()
    await closing(incoming)
    await until("the end")
    assert.isTrue(socket.closed)
    const late = await askWithToken(gateway, share)
    assert.strictEqual(late.status, 410)
    assert.match(late.body, /withdrawn/)
    assert.isFalse(kept.destroyed)
    await share.revoke()
  })

  it("happens when its gateway closes, which ends all connections", async () => {
    await using inside = await startInside((_, response) => void response.write("begun"))
    const gateway = await openGateway()
    const share = await gateway.share(inside.sandbox, 3000)
    const incoming = await begin(gateway, share)
    const { socket, until } = openWebSocket(gateway, share)
    await until("hello ")
    await gateway.close()
    await closing(incoming)
    await until("the end")
    assert.isTrue(socket.closed)
    for (const dialled of inside.dialled) await closing(dialled)
    await gateway.close()
    const error = await gateway.share(inside.sandbox, 3000).catch((error: unknown) => error)
    assert.instanceOf(error, InvalidInput)
  })

  it("happens when its sandbox is gone", async () => {
    await using gateway = await openGateway()
    for (const error of [
      new SandboxNotFound({ sandbox: "box" }),
      new LeaseLost({ sandbox: "box" }),
      new Closed({ subject: "session" }),
    ]) {
      const share = await gateway.share(unreachable(error), 3000)
      for (const _ of ["the first request", "the next one"]) {
        const { status, body } = await askWithToken(gateway, share)
        assert.strictEqual(status, 410)
        assert.match(body, /The sandbox of this address is gone/)
      }
    }
  })

  it("does not happen while nothing listens inside yet", async () => {
    await using gateway = await openGateway()
    const nothing = new PortUnreachable({ port: 3000, reason: "nothing listens there" })
    const share = await gateway.share(unreachable(nothing), 3000)
    const { status, body } = await askWithToken(gateway, share)
    assert.strictEqual(status, 502)
    assert.match(body, /Nothing answers on port 3000 of the sandbox\. Start the server there/)
    const { until } = openWebSocket(gateway, share)
    assert.match(await until("load this page again"), /^HTTP\/1\.1 502 Bad Gateway\r\n/)
    const away = await gateway.share(unreachable(new Error("the engine at 10.0.0.7")), 3000)
    const other = await askWithToken(gateway, away)
    assert.strictEqual(other.status, 502)
    assert.notMatch(other.body, /10\.0\.0\.7/)
  })
})
