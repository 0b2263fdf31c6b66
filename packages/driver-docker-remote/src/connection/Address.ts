import { isIP } from "node:net"
import { EngineUnreachable } from "@cordon/core"
import { Effect } from "effect"

/** Where an engine is, taken apart. */
export type Address =
  | { readonly _tag: "Socket"; readonly path: string; readonly shown: string }
  | {
      readonly _tag: "Tcp"
      readonly hostname: string
      readonly port: number
      /** In front of every path, where a proxy serves the engine below one. */
      readonly prefix: string
      readonly tls: boolean
      /** The address without anything that could be a secret. */
      readonly shown: string
    }

/** Docker's registered ports: without and with TLS. */
const defaultPorts = { plain: 2375, tls: 2376 } as const

/**
 * @param host `tcp://host:2376`, `http://...`, `https://...`, or a local socket
 * @param tls whether TLS settings were given, which decides what `tcp` means
 */
export const parseAddress = (
  host: string,
  tls: boolean,
): Effect.Effect<Address, EngineUnreachable> => {
  const path = /^(?:unix|npipe):\/\/(.+)$/.exec(host)?.[1]
  if (path !== undefined) return Effect.succeed({ _tag: "Socket", path, shown: host })
  // What could hold a password is not repeated.
  const shown = host.replace(/\/\/[^/]*@/, "//").replace(/[?#].*$/s, "")
  const refuse = (reason: string) => Effect.fail(new EngineUnreachable({ endpoint: shown, reason }))
  if (/^ssh:\/\//.test(host)) {
    return refuse("ssh is not spoken here; forward a port with `ssh -L`, or serve TLS")
  }
  const match = /^(tcp|https?):\/\/(?=[^/])/.exec(host)
  // A scheme that URL knows would lose its default port.
  const url = match === null ? null : URL.parse(host.replace(/^\w+/, "tcp"))
  if (match === null || url === null || url.hostname === "") {
    return refuse("it must look like tcp://host:2376 or https://host:2376")
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    return refuse("it must have no user name, password, query or fragment")
  }
  if (match[1] === "http" && tls) {
    return refuse("http:// is without TLS, but TLS settings are given; use https:// or tcp://")
  }
  const encrypted = match[1] === "https" || tls
  const hostname = url.hostname.replace(/^\[(.*)\]$/, "$1")
  const port = url.port === "" ? defaultPorts[encrypted ? "tls" : "plain"] : Number(url.port)
  const prefix = url.pathname.replace(/\/+$/, "")
  return Effect.succeed({
    _tag: "Tcp",
    hostname,
    port,
    prefix,
    tls: encrypted,
    shown: `${match[1]}://${url.hostname}:${port}${prefix}`,
  })
}

/** Whether a host name is this machine for sure, so that nobody reads along. */
export const isLoopback = (hostname: string): boolean =>
  hostname === "localhost" ||
  hostname.endsWith(".localhost") ||
  (isIP(hostname) === 4 && hostname.startsWith("127.")) ||
  hostname === "::1"
