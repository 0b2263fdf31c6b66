import type { Socket } from "node:net"
import { HoldsProcess } from "@cordon/core"
import { Effect, type Scope } from "effect"
import { buildConnector, Client, type Dispatcher } from "undici"
import type { Address } from "../connection/Address.ts"
import type { TlsMaterial } from "../connection/Tls.ts"
import { sshConnector } from "../ssh/ssh.ts"
import { Unanswered } from "./failures.ts"
import { makePool } from "./pool.ts"

/** Timeouts in milliseconds, and the number of attempts. */
export interface Patience {
  readonly connectTimeout: number
  readonly headersTimeout: number
  readonly bodyTimeout: number
  readonly retries: number
  readonly connections: number
  /** A configuration of ssh in place of the user's own. */
  readonly sshConfig?: string | undefined
}

/** The connections to one engine. */
export interface Connections {
  /** For short calls: a bounded number, kept for the next ones. */
  readonly calls: () => Dispatcher
  /** For calls that hold their connection for long: not counted, so that short ones never wait for them. */
  readonly streams: () => Dispatcher
  /** A connection of its own, for one call. */
  readonly anew: Effect.Effect<Dispatcher, never, Scope.Scope>
  /** Notes that the engine has answered. The meaning of a broken connection depends on this. */
  readonly answered: () => void
  /** Why a call brought no answer. */
  readonly unanswered: (cause: unknown) => Unanswered
}

/** Has a connection never keep the process alive; undici would, while an answer is waited for. */
const idle = (socket: Socket) => {
  socket.unref()
  socket.ref = () => socket
}

const originOf = (address: Address) => {
  if (address._tag !== "Tcp") return "http://engine"
  const { tls, hostname, port } = address
  const host = hostname.includes(":") ? `[${hostname}]` : hostname
  return `${tls ? "https" : "http"}://${host}:${port}`
}

/** Connects to an engine when there is a call for it; the connections are closed with the scope. */
export const makeConnections = Effect.fnUntraced(function* (
  address: Address,
  tls: TlsMaterial,
  { connectTimeout, headersTimeout, bodyTimeout, connections, sshConfig }: Patience,
): Effect.fn.Return<Connections, never, Scope.Scope> {
  const holds = yield* HoldsProcess
  // One connector for all connections, so that they can resume a TLS session.
  const connector =
    address._tag === "Ssh"
      ? yield* sshConnector(address.target, { connectTimeout, config: sshConfig, holds })
      : buildConnector({
          ...tls,
          timeout: connectTimeout,
          // A command takes over its connection, which HTTP/2 does not support.
          allowH2: false,
          // Finds out within half a minute that a firewall has dropped the connection.
          keepAliveInitialDelay: 15_000,
          ...(address._tag === "Socket" ? { socketPath: address.path } : {}),
        })
  const unconnected = new WeakSet<object>()
  const connect: buildConnector.connector = (options, done) =>
    connector(
      tls.servername === undefined ? options : { ...options, servername: tls.servername },
      (...result) => {
        if (result[0] !== null) unconnected.add(result[0])
        else if (!holds) idle(result[1])
        done(...result)
      },
    )

  const origin = originOf(address)
  const settings = {
    connect,
    headersTimeout,
    // Shorter than the time after which firewalls drop idle connections. Over ssh the ssh program takes care of that.
    keepAliveTimeout: address._tag === "Ssh" ? 300_000 : 4000,
  }
  let answered = false
  return {
    calls: yield* makePool(origin, { ...settings, connections, bodyTimeout }),
    streams: yield* makePool(origin, { ...settings, connections: null, bodyTimeout: 0 }),
    anew: Effect.acquireRelease(
      Effect.sync(() => new Client(origin, { ...settings, bodyTimeout })),
      (client) => Effect.promise(() => client.destroy()),
    ),
    answered: () => {
      answered = true
    },
    unanswered: (cause) =>
      new Unanswered(cause, {
        connected: !(typeof cause === "object" && cause !== null && unconnected.has(cause)),
        answered,
        tls: address._tag === "Tcp" && address.tls,
        certificate: tls.cert !== undefined,
      }),
  }
})
