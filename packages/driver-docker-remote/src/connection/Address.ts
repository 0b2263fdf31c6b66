import { isIP } from "node:net"
import { EngineUnreachable } from "@cordon/core"
import { Effect } from "effect"
import type { SshTarget } from "../ssh/ssh.ts"

/** The parsed address of an engine. */
export type Address =
  | { readonly _tag: "Socket"; readonly path: string; readonly shown: string }
  | { readonly _tag: "Ssh"; readonly target: SshTarget; readonly shown: string }
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
  // The part that could hold a password is not repeated.
  const shown = host.replace(/\/\/[^/]*@/, "//").replace(/[?#].*$/s, "")
  const refuse = (reason: string) => Effect.fail(new EngineUnreachable({ endpoint: shown, reason }))
  if (/^ssh:\/\//.test(host)) {
    const parsed = parseSsh(host)
    return typeof parsed === "string"
      ? refuse(parsed)
      : Effect.succeed({ _tag: "Ssh", target: parsed, shown })
  }
  const match = /^(tcp|https?):\/\/(?=[^/])/.exec(host)
  // With a scheme that `URL` knows, `URL` would drop that scheme's default port.
  const url = match === null ? null : URL.parse(host.replace(/^\w+/, "tcp"))
  if (match === null || url === null || url.hostname === "") {
    return refuse(
      "the address must look like tcp://host:2376, https://host:2376 or ssh://user@host",
    )
  }
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") {
    return refuse("the address must not have a user name, password, query or fragment")
  }
  if (match[1] === "http" && tls) {
    return refuse("http:// means no TLS, but TLS settings are given; use https:// or tcp://")
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

// The host and the user are passed to ssh, its configuration (%h, %r) and the remote shell. They
// must not look like an option or a command.
const safeHost = /^[A-Za-z0-9_:][\w.:%-]*$/
const safeUser = /^[A-Za-z0-9_][\w.@\\+-]*$/
const safePath = /^(?:\/[A-Za-z0-9_.][\w.-]*)+$/

/** Parses `ssh://user@host:port/path/of/the.sock`; returns a message if it is wrong. */
const parseSsh = (host: string): SshTarget | string => {
  const url = URL.parse(host)
  if (url === null || url.hostname === "") return "the address must look like ssh://user@host"
  if (url.password !== "") {
    return "the address must not have a password; ssh takes keys from its agent or its configuration"
  }
  if (url.search !== "" || url.hash !== "") return "the address must not have a query or fragment"
  const hostname = url.hostname.replace(/^\[(.*)\]$/, "$1")
  const path = url.pathname.replace(/\/+$/, "")
  const username = /%[^2-7]|%.[^0-9a-f]/i.test(url.username) ? "" : decodeURIComponent(url.username)
  if (!safeHost.test(hostname))
    return "the host name must have only letters, digits, dots, hyphens and underscores"
  if (url.username !== "" && !safeUser.test(username)) {
    return "the user name must have only letters, digits and . _ @ \\ + -"
  }
  if (path !== "" && !safePath.test(path)) {
    return "the path must be the path of a socket, and have only letters, digits, dots, hyphens and underscores"
  }
  return { hostname, port: url.port, username, path }
}

/** Whether a host name certainly is this machine, so that nobody can listen to the connection. */
export const isLoopback = (hostname: string): boolean =>
  hostname === "localhost" ||
  hostname.endsWith(".localhost") ||
  (isIP(hostname) === 4 && hostname.startsWith("127.")) ||
  hostname === "::1"
