import { once } from "node:events"
import { connect, createServer, type Socket } from "node:net"
import type { Duplex } from "node:stream"

/** What happens to a request that is looked at. */
export type Fate =
  | "pass"
  /** The connection is reset and the engine never sees the request. */
  | "lose request"
  /** The engine does what it was asked to, and the connection is reset in place of its answer. */
  | "lose answer"
  /** The engine does what it was asked to; its answer never comes, and the connection stays. */
  | "hang"

/** A TCP proxy that does to connections what networks do. */
export interface FaultProxy {
  readonly port: number
  /** Milliseconds that every piece takes, each way. */
  latency: number
  /** Decides by the request's first line; only for plain HTTP, where it can be read. */
  fate: (request: string) => Fate
  /** Stops everything that is under way, both ways, and leaves the connections open. */
  readonly freeze: () => void
  /** How many bytes of an engine's answers a new connection lets through before it falls silent. */
  allowance: number
  /** How many connections there were so far. */
  readonly accepted: () => number
  /** Resets everything that is under way. */
  readonly reset: () => void
  readonly open: () => number
  readonly close: () => Promise<void>
}

interface Link {
  readonly client: Socket
  readonly server: Socket
  frozen: boolean
}

const requestLine = /^[A-Z]+ \/\S* HTTP\/1\.1\r\n/

export const startFaultProxy = async (
  target: { readonly host: string; readonly port: number },
  listenOn = "127.0.0.1",
): Promise<FaultProxy> => {
  const links = new Set<Link>()
  const proxy = { latency: 0, fate: (): Fate => "pass", allowance: Number.POSITIVE_INFINITY } as {
    latency: number
    fate: (request: string) => Fate
    allowance: number
  }
  let accepted = 0

  const accept = (client: Socket) => {
    const server = connect({ ...target, allowHalfOpen: true })
    const link: Link = { client, server, frozen: false }
    let fate: Fate = "pass"
    let { allowance } = proxy
    accepted++
    links.add(link)
    const cut = () => {
      links.delete(link)
      client.resetAndDestroy()
      server.destroy()
    }

    /** Forwards in order, each piece after the latency, and no faster than the other side reads. */
    const forward = (from: Socket, to: Duplex, before: (piece: Buffer) => boolean) => {
      let queue = Promise.resolve()
      const later = (f: () => unknown) => {
        const due = Date.now() + proxy.latency
        queue = queue.then(async () => {
          const wait = due - Date.now()
          if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
          if (!link.frozen && !to.destroyed) await f()
        })
      }
      from.on("data", (piece) => {
        if (link.frozen || !before(piece)) return
        from.pause()
        later(() => (to.write(piece) ? undefined : once(to, "drain").catch(() => {})))
        // With latency many pieces are under way at once.
        if (proxy.latency > 0) from.resume()
        else queue.then(() => from.resume())
      })
      from.on("end", () => later(() => void to.end()))
      from.on("close", () => links.delete(link))
      from.on("error", () => {
        if (!link.frozen) cut()
      })
    }

    forward(client, server, (piece) => {
      const line = requestLine.exec(piece.subarray(0, 2000).toString("latin1"))?.[0]
      if (line !== undefined) fate = proxy.fate(line)
      if (fate === "lose request") cut()
      return fate !== "lose request"
    })
    forward(server, client, (piece) => {
      if (fate === "lose answer") cut()
      allowance -= piece.length
      if (allowance < 0) link.frozen = true
      return fate === "pass" && !link.frozen
    })
  }

  const listener = createServer({ allowHalfOpen: true }, accept).listen(0, listenOn)
  await once(listener, "listening")
  const address = listener.address()
  if (address === null || typeof address === "string") throw new Error("It listens on no port")
  return Object.assign(proxy, {
    port: address.port,
    freeze: () => {
      for (const link of links) link.frozen = true
    },
    reset: () => {
      for (const { client, server } of links) {
        client.resetAndDestroy()
        server.destroy()
      }
    },
    open: () => links.size,
    accepted: () => accepted,
    close: async () => {
      const closed = new Promise<void>((resolve) => listener.close(() => resolve()))
      for (const { client, server } of links) {
        client.destroy()
        server.destroy()
      }
      await closed
    },
  })
}
