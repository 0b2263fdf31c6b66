/** Where Linux tells which ports are listened on, by the family of addresses. */
export const tables = ["/proc/net/tcp", "/proc/net/tcp6"] as const

// The addresses that a connection to the loopback interface arrives at, as the kernel writes them:
// 127.0.0.1, any, ::ffff:127.0.0.1, :: and ::1.
const reachable = new Set([
  "0100007F",
  "00000000",
  "0000000000000000FFFF00000100007F",
  "00000000000000000000000000000000",
  "00000000000000000000000001000000",
])

// Number, local address and port, remote address and port, state (0A: it listens).
const line = /^ *\d+: ([0-9A-F]{8,32}):([0-9A-F]{4}) [0-9A-F]+:[0-9A-F]{4} 0A /gm

/** The ports that a table tells are listened on where the loopback interface leads to. */
export const listeningPorts = (table: string): ReadonlyArray<number> =>
  [...table.matchAll(line)].flatMap(([, address = "", port = ""]) =>
    reachable.has(address) ? [Number.parseInt(port, 16)] : [],
  )
