import { createServer, type Server, type ServerOptions } from "node:http"
import type { Socket } from "node:net"
import type { Duplex } from "node:stream"
import type { Exchange, Exchanges } from "./Exchanges.ts"
import { type Greeting, postgresRequest, readGreeting, readServerName } from "./greeting.ts"
import { type Origin, parseHost } from "./origin.ts"
import { isInspected } from "./policy.ts"
import { Refusal, type Request, refusedBecause } from "./refusal.ts"
import { within } from "./within.ts"

/** What the connections of programs without a proxy need of the egress proxy. */
export interface Passage {
  readonly exchanges: Exchanges
  /** Milliseconds for a greeting. */
  readonly greeting: number
  readonly inspect: (socket: Duplex, origin: Origin) => Promise<void>
  /** @param prepare prepares the connection to the destination before bytes are passed on; false ends it */
  readonly tunnel: (
    socket: Duplex,
    to: { readonly host: string; readonly port: number },
    exchange: Exchange,
    prepare?: (other: Socket) => Promise<boolean>,
  ) => void
}

// The host of an attempt that named none.
const loopback = "127.0.0.1"

const refusals: Readonly<Record<Exclude<Greeting, "tls" | "postgres" | "http">, string>> = {
  other:
    "without a proxy, a connection must begin with TLS, with PostgreSQL's request for TLS, or with HTTP; use the protocol's form with TLS from the first byte, or ports.reverse",
  nothing:
    "the program did not say in time what it wants; without a proxy, a connection must begin with TLS, PostgreSQL's request for TLS, or HTTP, so protocols in which the server speaks first can't be passed on; use ports.reverse",
}

/** Asks a PostgreSQL server for TLS. */
const askForTls = (milliseconds: number) => async (other: Socket) => {
  other.write(postgresRequest)
  const answered = new Promise<boolean>((resolve) => {
    other.once("close", () => resolve(false))
    other.once("readable", () => {
      const answer: Buffer | null = other.read()
      // More than this byte would be unencrypted, and the client would take it for the server's TLS.
      resolve(answer?.equals(Buffer.from("S")) === true)
    })
  })
  return (await within(milliseconds, answered)) ?? false
}

/** Passes on a connection that names its destination in its TLS greeting. */
const takeTls = async (
  socket: Duplex,
  port: number,
  isPostgres: boolean,
  { exchanges, greeting, inspect, tunnel }: Passage,
): Promise<void> => {
  const name = (await within(greeting, readServerName(socket))) ?? ""
  const host = name.includes(":") ? undefined : parseHost(name, port)?.host
  if (host === undefined) {
    exchanges.refused(
      { host: loopback, port },
      "without a proxy, the TLS greeting must name the host (SNI)",
    )
    socket.destroy()
    return
  }
  const rules = exchanges.rulesFor(host, port)
  if (rules.length > 0 && isInspected(rules)) {
    if (!isPostgres) return inspect(socket, { protocol: "https", host, port })
    exchanges.refused(
      { host, port },
      `the rules of ${host} need its content inspected, which can't be done for PostgreSQL; give ${host}:${port} a rule without any field`,
    )
    socket.destroy()
    return
  }
  const allowed = await exchanges.judge({ host, port })
  if (typeof allowed === "string") {
    socket.destroy()
    return
  }
  const exchange = allowed.begin(() => socket.destroy())
  tunnel(socket, { host, port }, exchange, isPostgres ? askForTls(greeting) : undefined)
}

/**
 * Takes connections of programs that use no proxy: the destination is the one that the TLS greeting or the header `Host` names, with the
 * port that the program connected to. The rules decide as they do about the proxy's own connections.
 */
export class Transparent {
  readonly #passage: Passage
  readonly #ports = new WeakMap<Duplex, number>()
  /** Gets the requests of HTTP without TLS. */
  readonly http: Server

  constructor(passage: Passage, options: ServerOptions) {
    this.#passage = passage
    this.http = createServer({ ...options })
  }

  /** The origin that a request of HTTP is to. Throws a refusal if it names no host. */
  originOf({ headers, socket }: Request): Origin {
    const port = this.#ports.get(socket) ?? 80
    const host = parseHost(headers.host ?? "", 80)?.host
    if (host !== undefined) return { protocol: "http", host, port }
    const reason = "without a proxy, the header Host must name the host"
    const { exchanges } = this.#passage
    throw new Refusal(403, refusedBecause(exchanges.refused({ host: loopback, port }, reason)))
  }

  async take(port: number, socket: Duplex): Promise<void> {
    const { exchanges, greeting } = this.#passage
    const began = await within(greeting, readGreeting(socket))
    if (began === "tls" || began === "postgres") {
      return takeTls(socket, port, began === "postgres", this.#passage)
    }
    if (began === "http") {
      this.#ports.set(socket, port)
      this.http.emit("connection", socket)
      return
    }
    // Browsers open connections that they then do not need.
    const isUnused = began === "nothing"
    if (!isUnused) exchanges.refused({ host: loopback, port }, refusals[began ?? "nothing"])
    socket.destroy()
  }
}
