import { InvalidInput, type PromisePorts } from "@cordon/core"
import { Duration } from "effect"
import { tokenParameter } from "./access.ts"
import { GatewayServer } from "./Server.ts"
import { type Clock, Share } from "./Share.ts"
import { isLoopback, parseBaseDomain, type Site } from "./site.ts"

/** The address at which a gateway listens, and its URL for browsers. */
export interface GatewayOptions {
  /** An address of this machine: `127.0.0.1` by default. One that other machines reach needs `allowRemote`. */
  readonly host?: string
  /** The port to listen on; any free one by default. */
  readonly port?: number
  /** Lets `host` be an address that other machines reach. */
  readonly allowRemote?: boolean
  /**
   * The name below which each shared port has a name of its own: `localhost` by default, which browsers look for on their own
   * machine. For another one all names below it must lead here.
   */
  readonly baseDomain?: string
  /** Says that a server in front speaks TLS with browsers: addresses begin with `https`. */
  readonly secure?: boolean
  /** The port in addresses, where another one is in front: 443 by default where `secure`, else the one that is listened on. */
  readonly publicPort?: number
}

/** Options of a share. */
export interface ShareOptions {
  /** After how long it is shared no longer (milliseconds, or such as `"1 hour"`): 1 hour by default, 24 days at most. */
  readonly expires?: Duration.Input
}

/** A sandbox, or what else connects to ports in its way. */
export interface Sharing {
  readonly ports: Pick<PromisePorts, "connect">
}

/** A port that is shared. `await using` withdraws it. */
export interface SharedPort extends AsyncDisposable {
  /** The whole address, with the token, for a browser. */
  readonly url: string
  /** The address without the token, for programs that send it as the header `x-cordon-token`. */
  readonly origin: string
  /** The token of the share: everybody who has it may use the port. */
  readonly token: string
  readonly expiresAt: Date
  /** Shares the port no longer, and closes its connections. */
  readonly revoke: () => Promise<void>
}

/** Addresses for ports of any number of sandboxes, behind one listening port. `await using` closes it. */
export interface Gateway extends AsyncDisposable {
  /** The one that is listened on. */
  readonly port: number
  /**
   * Gives a port of a sandbox an address, whether something listens there already or not. Each address is an origin of its
   * own. Rejects with `InvalidInput` for a port or a duration that there can't be, and where the gateway is closed.
   */
  readonly share: (sandbox: Sharing, port: number, options?: ShareOptions) => Promise<SharedPort>
  /** Withdraws all addresses, closes their connections and listens no longer. */
  readonly close: () => Promise<void>
}

// The longest time of a timer is a little more.
const longest = Duration.toMillis("24 days")

const lastingOf = (given: Duration.Input): number => {
  const duration = Duration.fromInput(given)
  const lasting = duration._tag === "Some" ? Duration.toMillis(duration.value) : 0
  if (lasting >= 1000 && lasting <= longest) return lasting
  throw new InvalidInput({
    subject: "expires",
    issue: "it must be a duration of 1 second to 24 days, in milliseconds or such as '1 hour'",
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

/** As `openGateway`, by another clock. */
export const openGatewayBy = async (clock: Clock, options: GatewayOptions): Promise<Gateway> => {
  const { host = "127.0.0.1", port = 0, allowRemote = false, secure = false } = options
  checkPort("port", port, 0)
  if (options.publicPort !== undefined) checkPort("publicPort", options.publicPort, 1)
  const baseDomain = parseBaseDomain(options.baseDomain ?? "localhost")
  if (!isLoopback(host) && !allowRemote) {
    throw new InvalidInput({
      subject: "host",
      issue:
        "other machines may reach it: set allowRemote where they are to, behind a server with TLS",
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
        throw new InvalidInput({ subject: "gateway", issue: "it is closed: open another one" })
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
 * await using gateway = await openGateway()
 * const { url } = await gateway.share(sandbox, 3000, { expires: "1 hour" })
 */
export const openGateway = (options: GatewayOptions = {}): Promise<Gateway> =>
  openGatewayBy(systemClock, options)
