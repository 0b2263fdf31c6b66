import { once } from "node:events"
import { type ClientHttp2Session, connect as connectHttp2 } from "node:http2"
import type { LookupFunction } from "node:net"
import { connect as connectTls } from "node:tls"

export interface Http2Options {
  readonly lookup: LookupFunction
  readonly ca: ReadonlyArray<string> | undefined
  /** Milliseconds for a TLS handshake, which shows the destination's protocol. */
  readonly greeting: number
  /** Milliseconds without a byte after which a connection accepts no more requests. */
  readonly silence: number
  /** The most bytes of a response's headers. */
  readonly headerBytes: number
}

/** A destination of a TLS connection. */
export interface Place {
  readonly host: string
  readonly port: number
}

const maxPlaces = 256
// HTTP/2's default of 64 KiB would limit a distant destination to that much for each round trip.
const streamWindow = 256 * 1024
const sessionWindow = 4 * 1024 * 1024

const nothing = () => {}

/** Connections of HTTP/2 to destinations: one for each, shared by the requests of one sandbox. */
export class Http2Sessions {
  readonly #options: Http2Options
  readonly #found = new Map<string, Promise<ClientHttp2Session | undefined>>()
  #isOver = false

  constructor(options: Http2Options) {
    this.#options = options
  }

  /** @returns undefined if the destination does not speak HTTP/2 */
  async get(place: Place): Promise<ClientHttp2Session | undefined> {
    const name = `${place.host}:${place.port}`
    const found = await this.#found.get(name)?.catch(nothing)
    if (this.#found.has(name) && found?.closed !== true) return this.#found.get(name)
    const [oldest] = this.#found
    if (oldest !== undefined && this.#found.size >= maxPlaces) {
      this.#found.delete(oldest[0])
      drain(oldest[1])
    }
    const opened = this.#open(place, () => {
      if (this.#found.get(name) === opened) this.#found.delete(name)
    })
    this.#found.set(name, opened)
    opened.catch(() => this.#found.delete(name))
    return opened
  }

  /** Accepts no more requests. Requests in progress continue. */
  drain(): void {
    this.#isOver = true
    for (const session of this.#found.values()) drain(session)
    this.#found.clear()
  }

  async #open(place: Place, forget: () => void): Promise<ClientHttp2Session | undefined> {
    const { lookup, ca, greeting, silence, headerBytes } = this.#options
    const socket = connectTls({
      ...place,
      servername: place.host,
      lookup,
      ALPNProtocols: ["h2", "http/1.1"],
      ca: ca === undefined ? undefined : [...ca],
    })
    socket.setTimeout(greeting, () => socket.destroy(new Error("no greeting in time")))
    await once(socket, "secureConnect")
    socket.setTimeout(0)
    if (socket.alpnProtocol !== "h2") {
      socket.destroy()
      return undefined
    }
    const session = connectHttp2(`https://${place.host}:${place.port}`, {
      createConnection: () => socket,
      settings: {
        enablePush: false,
        initialWindowSize: streamWindow,
        maxHeaderListSize: headerBytes,
      },
    })
    session.on("connect", () => session.setLocalWindowSize(sessionWindow))
    // Each request gets the error itself.
    session.on("error", nothing)
    session.on("goaway", forget)
    session.on("close", forget)
    session.setTimeout(silence, () => session.close())
    // An idle session does not keep the program alive.
    session.unref()
    if (this.#isOver) session.close()
    return session
  }
}

const drain = (session: Promise<ClientHttp2Session | undefined>) =>
  void session.then((open) => open?.close(), nothing)
