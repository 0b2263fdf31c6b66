import { type EngineUnreachable, type InvalidInput, invalidInput } from "@cordon/core"
import { findEndpoint } from "@cordon/driver-docker"
import type { EngineClient } from "@cordon/driver-docker/engine"
import { Duration, Effect, Option, Schema, type Scope } from "effect"
import { makeHttpClient } from "../http/httpClient.ts"
import { isLoopback, parseAddress } from "./Address.ts"
import { loadTls, type TlsOptions } from "./Tls.ts"

/** Options of a connection to an engine. */
export interface ConnectionOptions {
  /** `tcp://host:2376`, `https://...`, `http://...`, `ssh://user@host`, or a local socket; found by itself where absent. */
  readonly host?: string | undefined
  /**
   * Certificates; `false` for none even where the environment or the docker context has some.
   * Default: what `DOCKER_CERT_PATH`, `DOCKER_TLS_VERIFY` or the docker context say.
   */
  readonly tls?: TlsOptions | false
  /** Time to connect, TLS included: 10 seconds. */
  readonly connectTimeout?: Duration.Input
  /** Time until the engine answers a call: 2 minutes. A slow disk may take long to make a container. */
  readonly headersTimeout?: Duration.Input
  /** Silence within an answer, pulls included; commands and events may be silent for ever: 1 minute. */
  readonly bodyTimeout?: Duration.Input
  /** How often a repeatable call is sent again after its connection broke. Default: 4. */
  readonly retries?: number
  /**
   * Connections kept for short calls; commands, pulls and events have their own: 32. Over ssh, where each
   * is a program: 8.
   */
  readonly connections?: number
  /** A configuration file of ssh in place of the user's own (`ssh -F`), for `ssh://`. */
  readonly sshConfig?: string
}

const Timeout = Schema.Duration.pipe(
  Schema.check(
    Schema.makeFilter(
      (duration) => Duration.toMillis(duration) > 0 && Duration.isFinite(duration),
      {
        expected: "a finite duration above zero",
      },
    ),
  ),
)
const Checked = Schema.Struct({
  connectTimeout: Timeout,
  headersTimeout: Timeout,
  bodyTimeout: Timeout,
  retries: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 20 }))),
  connections: Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0))),
})

// Invalid durations stay unchanged, so that the schema refuses them by name.
const duration = (input: Duration.Input) => Option.getOrElse(Duration.fromInput(input), () => input)

const warned = new Set<string>()

/** Warns once for each engine of the risk of an unencrypted connection. */
const warnOfPlain = (endpoint: string) =>
  Effect.suspend(() => {
    if (warned.has(endpoint)) return Effect.void
    warned.add(endpoint)
    return Effect.logWarning(
      `The connection to the Docker Engine at ${endpoint} does not use TLS: everyone who can connect to that port has root access to its host, and everyone on the network path can read and change the traffic. Use mutual TLS instead.`,
    )
  })

/** Finds the engine and makes ready to call it; the connections are closed with the scope. */
export const connect = Effect.fn("connectToEngine")(function* (
  options: ConnectionOptions,
): Effect.fn.Return<EngineClient, EngineUnreachable | InvalidInput, Scope.Scope> {
  const {
    connectTimeout = "10 seconds",
    headersTimeout = "2 minutes",
    bodyTimeout = "1 minute",
    retries = 4,
    sshConfig,
  } = options
  const { host, certificates } = yield* findEndpoint(options.host)
  const { connections = /^ssh:/.test(host) ? 8 : 32 } = options
  const checked = yield* Schema.decodeUnknownEffect(Schema.toType(Checked))({
    connectTimeout: duration(connectTimeout),
    headersTimeout: duration(headersTimeout),
    bodyTimeout: duration(bodyTimeout),
    retries,
    connections,
  }).pipe(Effect.mapError(invalidInput("connection settings")))

  const tls =
    options.tls === undefined && certificates !== undefined
      ? { directory: certificates }
      : options.tls === false
        ? undefined
        : options.tls
  const address = yield* parseAddress(host, tls !== undefined)
  const encrypted = address._tag === "Tcp" && address.tls
  if (address._tag === "Tcp" && !address.tls && !isLoopback(address.hostname)) {
    yield* warnOfPlain(address.shown)
  }
  return yield* makeHttpClient(address, encrypted ? yield* loadTls(tls ?? {}) : {}, {
    connectTimeout: Duration.toMillis(checked.connectTimeout),
    headersTimeout: Duration.toMillis(checked.headersTimeout),
    bodyTimeout: Duration.toMillis(checked.bodyTimeout),
    retries: checked.retries,
    connections: checked.connections,
    sshConfig,
  })
})
