import { once } from "node:events"
import { createServer as createHttpServer, type RequestListener } from "node:http"
import { createServer as createHttpsServer } from "node:https"
import { createServer, type Server } from "node:net"
import { DockerEngine } from "@cordon/driver-docker"
import type { TlsOptions } from "@cordon/driver-docker-remote"
import { type ConnectionOptions, layerEngine } from "@cordon/driver-docker-remote"
import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import { makeAuthority } from "../support/certificates.ts"

const authority = makeAuthority()
const stranger = makeAuthority()
const names = ["DNS:localhost", "IP:127.0.0.1"]
const server = authority.server(names)
const client = authority.client()

/** Every key that a message could give away, without the lines that all keys share. */
const secrets = new Set<string>()
const secret = <C extends { readonly key: string }>(certificate: C): C => {
  for (const line of certificate.key.split("\n")) {
    if (line !== "" && !line.startsWith("-----")) secrets.add(line)
  }
  return certificate
}
for (const certificate of [server, client]) secret(certificate)

const engine: RequestListener = (request, response) => {
  response.setHeader("Api-Version", "1.41")
  const answer = { Version: "20.10.24", ApiVersion: "1.41", Os: "linux", Arch: "amd64" }
  response.end(request.url === "/_ping" ? "OK" : JSON.stringify(answer))
}

const listening = (server: Server, host = "127.0.0.1"): Effect.Effect<number, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      server.listen(0, host)
      await once(server, "listening")
      return server
    }),
    (server) => Effect.sync(() => server.close()),
  ).pipe(
    Effect.map((server) => {
      const address = server.address()
      return typeof address === "object" ? (address?.port ?? 0) : 0
    }),
  )

const http = (listener: RequestListener) => listening(createHttpServer(listener))

const https = (
  certificate: { readonly cert: string; readonly key: string },
  options: { readonly clientCa?: string; readonly maxVersion?: "TLSv1.2" } = {},
) => {
  const { clientCa, ...more } = options
  return listening(
    createHttpsServer(
      {
        ...certificate,
        ...more,
        ...(clientCa === undefined
          ? {}
          : { ca: clientCa, requestCert: true, rejectUnauthorized: true }),
      },
      engine,
    ),
  )
}

const version = (options: ConnectionOptions) =>
  Effect.flatMap(DockerEngine, (engine) => engine.version).pipe(
    Effect.provide(layerEngine({ retries: 0, connectTimeout: "1 second", ...options })),
  )

type Case = readonly [
  name: string,
  reason: RegExp,
  options: Effect.Effect<ConnectionOptions, never, Scope.Scope>,
]

const trusting: TlsOptions = { ca: authority.ca }
const ofPort = (scheme: string, options: Omit<ConnectionOptions, "host"> = {}) =>
  Effect.map((port: number): ConnectionOptions => ({ host: `${scheme}:${port}`, ...options }))

const cases: ReadonlyArray<Case> = [
  [
    "refused",
    /nothing listens there/,
    listening(createServer()).pipe(
      // Closed at once: nobody else is given the port so soon.
      Effect.scoped,
      ofPort("tcp://127.0.0.1"),
    ),
  ],
  [
    "unresolvable",
    /host name can't be resolved/,
    Effect.succeed({ host: "tcp://no-such-host.invalid:2375" }),
  ],
  [
    "timed out while connecting",
    /connecting timed out/,
    // Takes the connection and never begins with TLS.
    listening(createServer(() => {})).pipe(
      ofPort("https://127.0.0.1", { connectTimeout: "200 millis", tls: trusting }),
    ),
  ],
  [
    "timed out while answering",
    /did not answer in time/,
    listening(createServer(() => {})).pipe(
      ofPort("tcp://127.0.0.1", { headersTimeout: "200 millis" }),
    ),
  ],
  [
    "stuck in the middle of an answer",
    /stopped in the middle of an answer/,
    http(
      (_request, response) => void response.writeHead(200, { "Api-Version": "1.41" }).write("O"),
    ).pipe(ofPort("tcp://127.0.0.1", { bodyTimeout: "200 millis" })),
  ],
  [
    "reset",
    /connection was reset|closed the connection/,
    listening(createServer((socket) => socket.once("data", () => socket.resetAndDestroy()))).pipe(
      ofPort("tcp://127.0.0.1"),
    ),
  ],
  [
    "closed in place of an answer",
    /closed the connection/,
    listening(createServer((socket) => socket.once("data", () => socket.end()))).pipe(
      ofPort("tcp://127.0.0.1"),
    ),
  ],
  [
    "certificate expired",
    /certificate has expired/,
    https(secret(authority.server(names, true))).pipe(
      ofPort("https://localhost", { tls: trusting }),
    ),
  ],
  [
    "wrong CA",
    /not signed by an authority that is trusted here \(wrong CA\?\)/,
    https(server).pipe(ofPort("https://localhost", { tls: { ca: stranger.ca } })),
  ],
  [
    "no CA given",
    /not signed by an authority that is trusted here/,
    https(server).pipe(ofPort("https://localhost")),
  ],
  [
    "wrong host name",
    /certificate is for another host name/,
    https(secret(authority.server(["DNS:elsewhere.example"]))).pipe(
      ofPort("https://localhost", { tls: trusting }),
    ),
  ],
  [
    "wrong server name",
    /certificate is for another host name/,
    https(server).pipe(
      ofPort("https://localhost", { tls: { ...trusting, serverName: "elsewhere.example" } }),
    ),
  ],
  [
    "client certificate required, by one that says so",
    /requires a client certificate/,
    https(server, { clientCa: authority.ca, maxVersion: "TLSv1.2" }).pipe(
      ofPort("https://localhost", { tls: trusting }),
    ),
  ],
  [
    "client certificate required, by one that only hangs up",
    /(reset|closed the connection), maybe because it requires a client certificate/,
    https(server, { clientCa: authority.ca }).pipe(ofPort("https://localhost", { tls: trusting })),
  ],
  [
    "client certificate of a stranger, to one that only hangs up",
    /(reset|closed the connection), maybe because it does not accept our client certificate/,
    https(server, { clientCa: authority.ca }).pipe(
      ofPort("https://localhost", { tls: { ...trusting, ...secret(stranger.client()) } }),
    ),
  ],
  [
    "TLS where there is none",
    /does not speak TLS/,
    http(engine).pipe(ofPort("https://localhost", { tls: trusting })),
  ],
  [
    "no TLS where there is some",
    /closed the connection|reset|speaks TLS only/,
    https(server).pipe(ofPort("http://localhost")),
  ],
  [
    "not a Docker Engine, but a web server",
    /not a Docker Engine \(its answer to a ping has status 404/,
    http((_request, response) => void response.writeHead(404).end("nothing here")).pipe(
      ofPort("tcp://127.0.0.1"),
    ),
  ],
  [
    "not a Docker Engine, though it says OK",
    /not a Docker Engine \(its answer to a ping has status 200 without an Api-Version/,
    http((_request, response) => void response.end("OK")).pipe(ofPort("tcp://127.0.0.1")),
  ],
  [
    "not HTTP at all",
    /does not speak HTTP: no Docker Engine/,
    listening(createServer((socket) => void socket.end("SSH-2.0-OpenSSH_9.2\r\n"))).pipe(
      ofPort("tcp://127.0.0.1"),
    ),
  ],
  [
    "engine too old",
    /too old: it speaks API 1\.24, and at least 1\.41 is needed/,
    http((_request, response) => void response.setHeader("Api-Version", "1.24").end("OK")).pipe(
      ofPort("tcp://127.0.0.1"),
    ),
  ],
]

describe("an unreachable engine", () => {
  it.live.each(cases)("gives an error that says why: %s", ([, reason, makeOptions]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(version(yield* makeOptions))
      assert.strictEqual(error._tag, "EngineUnreachable")
      assert.match(error.message, reason)
      const told = JSON.stringify(error) + String(error) + (error.stack ?? "")
      for (const secret of secrets) assert.notInclude(told, secret)
    }).pipe(Effect.scoped),
  )
})
