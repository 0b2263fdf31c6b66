import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import { Socket } from "node:net"
import type { Duplex } from "node:stream"
import { InvalidInput } from "@cordon/core"
import { type Admitted, admit, cookieOf } from "./access.ts"
import { forward, forwardUpgrade } from "./forward.ts"
import { Refusal, refuse, refuseUpgrade } from "./Refusal.ts"
import type { Clock, Share } from "./Share.ts"

// The most connections to the gateway, including those without a token yet.
const most = 1024
// The number of ended shares for which a request still gets a specific answer.
const mostEnded = 1000
// Milliseconds without a byte after which a connection is closed.
const idle = 600_000

const isWebSocket = ({ method, headers }: IncomingMessage) =>
  method === "GET" && headers.upgrade?.toLowerCase() === "websocket"

/** Text as it may stand in HTML. */
const escaped = (text: string) =>
  text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)

/**
 * Makes a browser continue without the token in its address. A redirect would not work: after a
 * click on another site's link, browsers send no strict cookie to the target of the redirect. A
 * page of this origin that navigates by itself is the same site.
 */
const enter = (response: ServerResponse, { share, path }: Admitted, now: number) => {
  const url = escaped(share.origin + path)
  response.writeHead(200, {
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'",
    "referrer-policy": "no-referrer",
    "set-cookie": cookieOf(share, now),
  })
  response.end(
    `<!doctype html><meta charset="utf-8"><meta http-equiv="refresh" content="0;url=${url}"><title>Cordon</title><a href="${url}">Go on</a>\n`,
  )
}

/** The single listening port for all shared ports. */
export class GatewayServer {
  readonly #shares = new Map<string, Share>()
  readonly #clock: Clock
  readonly #server: Server
  /** Upgraded connections, which Node's server no longer tracks. */
  readonly #upgraded = new Set<Duplex>()

  constructor(clock: Clock) {
    this.#clock = clock
    this.#server = createServer(
      {
        insecureHTTPParser: false,
        maxHeaderSize: 16 * 1024,
        headersTimeout: 20_000,
        // A large upload may take long. A stalled one is ended as idle.
        requestTimeout: 0,
        keepAliveTimeout: 5000,
        connectionsCheckingInterval: 5000,
        noDelay: true,
        shouldUpgradeCallback: isWebSocket,
      },
      (request, response) => void this.#answer(request, response),
    )
    this.#server.maxConnections = most
    this.#server.timeout = idle
    this.#server.on(
      "upgrade",
      (request: IncomingMessage, socket: Duplex, head: Buffer) =>
        void this.#upgrade(request, socket, head),
    )
  }

  /** Listens, and returns the port. */
  listen(host: string, port: number): Promise<number> {
    return new Promise((resolve, reject) => {
      const fail = ({ message }: Error) =>
        reject(new InvalidInput({ subject: "address of the gateway", issue: message }))
      this.#server.once("error", fail)
      this.#server.listen(port, host, () => {
        this.#server.off("error", fail)
        const address = this.#server.address()
        resolve(typeof address === "object" && address !== null ? address.port : port)
      })
    })
  }

  add(share: Share): void {
    const ended = [...this.#shares.values()].filter((one) => one.ending() !== undefined)
    for (const { host } of ended.slice(0, Math.max(0, ended.length - mostEnded))) {
      this.#shares.delete(host)
    }
    this.#shares.set(share.host, share)
  }

  /** Ends everything in progress. */
  async close(): Promise<void> {
    for (const share of this.#shares.values()) share.end("revoked")
    for (const socket of this.#upgraded) socket.destroy()
    if (!this.#server.listening) return
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeAllConnections()
    })
  }

  async #answer(request: IncomingMessage, response: ServerResponse) {
    try {
      const admitted = admit(request, this.#shares, "request")
      if (admitted.isEntering) enter(response, admitted, this.#clock.now())
      else await forward(request, response, admitted)
    } catch (error) {
      refuse(response, error)
    }
  }

  async #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer) {
    this.#upgraded.add(socket)
    socket.on("close", () => this.#upgraded.delete(socket))
    socket.on("error", () => socket.destroy())
    if (socket instanceof Socket) socket.setTimeout(idle, () => socket.destroy())
    try {
      if (!isWebSocket(request)) throw new Refusal(400, "Only WebSockets may leave HTTP here.")
      await forwardUpgrade(request, socket, head, admit(request, this.#shares, "websocket"))
    } catch (error) {
      refuseUpgrade(socket, error)
    }
  }
}
