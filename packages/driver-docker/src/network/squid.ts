/** The proxy that enforces an allow-list, as text: its configuration, its start script, its log. No I/O. */
import {
  type EgressAttempt,
  type EgressPolicy,
  metadataAddresses,
  parseDestination,
} from "@cordon/core"

/** The port at which a sandbox finds its proxy. */
export const proxyPort = 3128

/** Private ranges around the host. An allowed name must not resolve to them. */
const privateRanges = [
  "0.0.0.0/8",
  "10.0.0.0/8",
  "100.64.0.0/10",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "198.18.0.0/15",
  "fc00::/7",
]
// Never allowed: the host itself, and where clouds serve credentials.
const neverRanges = [
  "127.0.0.0/8",
  "169.254.0.0/16",
  "224.0.0.0/3",
  "::1",
  "fe80::/10",
  "ff00::/8",
  ...metadataAddresses,
]

/**
 * The configuration of Squid for one sandbox. A name must be on the list and must not resolve to a
 * private address. Names are compared before they are resolved, so that no query for a refused name
 * leaves the host.
 */
export const squidConfig = (policy: EgressPolicy, listen: string): string => {
  const rules = policy.allow.flatMap((destination, index) => {
    const { domain, below, port } = parseDestination(destination)
    return [
      `acl name${index} dstdom_regex -n -i ^${below ? ".+\\." : ""}${domain.replaceAll(".", "\\.")}$`,
      `acl port${index} port ${port ?? "80 443"}`,
      `http_access allow name${index} port${index}`,
    ]
  })
  const exempt = policy.allowAddresses ?? []
  const names = rules.filter((rule) => rule.startsWith("acl"))
  const allow = rules.filter((rule) => rule.startsWith("http_access"))
  return [
    `http_port ${listen}:${proxyPort}`,
    "visible_hostname cordon-egress",
    "pid_filename none",
    "coredump_dir /tmp",
    "pinger_enable off",
    "cache deny all",
    "cache_mem 4 MB",
    "memory_pools off",
    "max_filedescriptors 4096",
    "via off",
    "forwarded_for delete",
    "httpd_suppress_version_string on",
    "shutdown_lifetime 0 seconds",
    "connect_timeout 15 seconds",
    "logformat cordon %ts.%03tu %Ss %>rd %>rP",
    "access_log stdio:/tmp/access cordon",
    "cache_log /dev/null",
    "acl CONNECT method CONNECT",
    "acl plain port 80",
    ...names,
    `acl never dst ${neverRanges.join(" ")}`,
    `acl private dst ${privateRanges.join(" ")}`,
    ...(exempt.length === 0 ? [] : [`acl exempt dst ${exempt.join(" ")}`]),
    "http_access deny CONNECT plain",
    // Only listed names reach the rules that resolve a name.
    ...(names.length === 0
      ? []
      : [
          `acl listed any-of ${policy.allow.map((_, index) => `name${index}`).join(" ")}`,
          "http_access deny !listed",
          "http_access deny never",
          `http_access deny private${exempt.length === 0 ? "" : " !exempt"}`,
        ]),
    ...allow,
    "http_access deny all",
  ].join("\n")
}

/**
 * Starts Squid as the image's user `proxy`. A pipe passes its log to the container's log, whose
 * size the engine bounds.
 */
export const proxyScript =
  'umask 077; mkfifo /tmp/access && { cat /tmp/access & printf "%s\\n" "$CORDON_EGRESS" >/tmp/squid.conf; exec squid -N -f /tmp/squid.conf; }'

/** The environment variables that point programs to the proxy, in both spellings that are in use. */
export const proxyEnvironment = (address: string): Readonly<Record<string, string>> => {
  const proxy = `http://${address}:${proxyPort}`
  const local = "localhost,127.0.0.1,::1"
  return {
    HTTP_PROXY: proxy,
    HTTPS_PROXY: proxy,
    NO_PROXY: local,
    http_proxy: proxy,
    https_proxy: proxy,
    no_proxy: local,
  }
}

/** Parses the proxy's log. Other lines are ignored. */
export const parseAttempts = (log: string): ReadonlyArray<EgressAttempt> =>
  log.split("\n").flatMap((line) => {
    const match = /^(\d+\.\d{3}) (\w+) (\S+) (\d+|-)$/.exec(line.trim())
    if (match === null) return []
    const [, seconds = "", status = "", host = "", port = ""] = match
    const allowed = !status.includes("DENIED")
    return [
      {
        at: new Date(Number(seconds) * 1000),
        host,
        port: Number(port) || 0,
        allowed,
        outcome: allowed ? "done" : "refused",
      },
    ]
  })
