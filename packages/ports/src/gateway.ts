import { InvalidInput, type PromisePorts } from "@cordon/core"
import { Duration } from "effect"
import { tokenParameter } from "./access.ts"
import { GatewayServer } from "./Server.ts"
import { type Clock, Share } from "./Share.ts"
import { isLoopback, parseBaseDomain, type Site } from "./site.ts"

/** The address at which a gateway listens, and its URL for browsers. */
export interface GatewayOptions {
  /**
   * The address of this machine to listen on. Default: `127.0.0.1`. An address that other machines
   * can connect to needs `allowRemote`.
   */
  readonly host?: string
  /** The port to listen on. Default: any free port. */
  readonly port?: number
  /** Allows a `host` that other machines can connect to. Default: false. */
  readonly allowRemote?: boolean
  /**
   * The domain below which each shared port has its own name. Default: `localhost`, which browsers
   * resolve to their own machine. All names below another domain must resolve to this gateway.
   */
  readonly baseDomain?: string
  /** Set this if a server in front terminates TLS: addresses then begin with `https`. Default: false. */
  readonly secure?: boolean
  /**
   * The port in addresses, if a server in front has another one. Default: 443 if `secure`, else the
   * listening port.
   */
  readonly publicPort?: number
}

/** Options of a share. */
export interface ShareOptions {
  /** The duration of the share (milliseconds, or text such as `"1 hour"`). Default: 1 hour. At most 24 days. */
  readonly expires?: Duration.Input
}

/** A sandbox, or anything else that connects to ports in the same way. */
export interface Sharing {
  /** How to connect to the sandbox's ports. */
  readonly ports: Pick<PromisePorts, "connect">
}

/** A shared port. `await using` ends the share. */
export interface SharedPort extends AsyncDisposable {
  /** The whole address, with the token, for a browser. */
  readonly url: string
  /** The address without the token, for programs that send it as the header `x-cordon-token`. */
  readonly origin: string
  /** The token of the share: everybody who has it may use the port. */
  readonly token: string
  /** When the share ends by itself. */
  readonly expiresAt: Date
  /**
   * Ends the share and closes its connections.
   *
   * @example
   * const shared = await gateway.share(sandbox, 3000)
   * await shared.revoke()
   */
  readonly revoke: () => Promise<void>
}

/** Addresses for ports of any number of sandboxes, behind one listening port. `await using` closes it. */
export interface Gateway extends AsyncDisposable {
  /** The listening port. */
  readonly port: number
  /**
   * Gives a port of a sandbox an address, even if nothing listens on the port yet. Each address is
   * its own origin. Rejects with `InvalidInput` for an invalid port or duration, and after the
   * gateway was closed.
   *
   * @example
   * await using shared = await gateway.share(sandbox, 3000, { expires: "10 minutes" })
   * console.log(shared.url)
   */
  readonly share: (sandbox: Sharing, port: number, options?: ShareOptions) => Promise<SharedPort>
  /**
   * Ends all shares, closes their connections and stops listening.
   *
   * @example
   * process.once("SIGTERM", () => void gateway.close())
   */
  readonly close: () => Promise<void>
}

// The longest timer in Node is a little longer.
const longest = Duration.toMillis("24 days")

const lastingOf = (given: Duration.Input): number => {
  const duration = Duration.fromInput(given)
  const lasting = duration._tag === "Some" ? Duration.toMillis(duration.value) : 0
  if (lasting >= 1000 && lasting <= longest) return lasting
  throw new InvalidInput({
    subject: "expires",
    issue:
      "it must be a duration from 1 second to 24 days: a number of milliseconds, or text such as '1 hour'",
  })
}

const checkPort = (subject: string, port: number, least: number) => {
  if (Number.isInteger(port) && port >= least && port <= 65_535) return
  throw new InvalidInput({ subject, issue: `it must be a whole number from ${least} to 65535` })
}

const systemClock: Clock = {
  now: () => Date.now(),
  after: (milliseconds, run) => {
    const timer = setTimeout(run, milliseconds).unref()
    return () => clearTimeout(timer)
  },
}

/** Like `openGateway`, with another clock. */
export const openGatewayBy = async (clock: Clock, options: GatewayOptions): Promise<Gateway> => {
  const { host = "127.0.0.1", port = 0, allowRemote = false, secure = false } = options
  checkPort("port", port, 0)
  if (options.publicPort !== undefined) checkPort("publicPort", options.publicPort, 1)
  const baseDomain = parseBaseDomain(options.baseDomain ?? "localhost")
  if (!isLoopback(host) && !allowRemote) {
    throw new InvalidInput({
      subject: "host",
      issue:
        "other machines can reach this address; if that is intended, set allowRemote, and put a server with TLS in front",
    })
  }
  const server = new GatewayServer(clock)
  const listening = await server.listen(host, port)
  const site: Site = {
    baseDomain,
    secure,
    port: options.publicPort ?? (secure ? 443 : listening),
  }
  let isClosed = false
  const close = () => {
    isClosed = true
    return server.close()
  }
  return {
    port: listening,
    share: async (sandbox, port, { expires = "1 hour" } = {}) => {
      if (isClosed) {
        throw new InvalidInput({ subject: "gateway", issue: "it is closed; open another one" })
      }
      checkPort("port", port, 1)
      const share = new Share(site, clock, port, lastingOf(expires), (signal) =>
        sandbox.ports.connect(port, { signal }),
      )
      server.add(share)
      const revoke = async () => share.end("revoked")
      return {
        url: `${share.origin}/?${tokenParameter}=${share.token}`,
        origin: share.origin,
        token: share.token,
        expiresAt: new Date(share.expiresAt),
        revoke,
        [Symbol.asyncDispose]: revoke,
      }
    },
    close,
    [Symbol.asyncDispose]: close,
  }
}

/**
 * Listens for browsers and programs that are to reach ports of sandboxes, by addresses with a token that expires. HTTP and
 * WebSocket are passed on; each request is a use of its sandbox. Rejects with `InvalidInput` where it can't listen.
 *
 * @example
 * import { openGateway } from "@cordon/ports"
 *
 * await using gateway = await openGateway()
 * const { url } = await gateway.share(sandbox, 3000, { expires: "1 hour" })
 */
export const openGateway = (options: GatewayOptions = {}): Promise<Gateway> =>
  openGatewayBy(systemClock, options)
