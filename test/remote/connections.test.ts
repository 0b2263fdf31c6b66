import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { once } from "node:events"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer as createHttpServer, type RequestListener, type Server } from "node:http"
import { createServer as createHttpsServer } from "node:https"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { TLSSocket } from "node:tls"
import { SandboxDriver } from "@cordon/core"
import { DockerEngine } from "@cordon/driver-docker"
import {
  type ConnectionOptions,
  layerConfig,
  layerEngine,
  type TlsOptions,
} from "@cordon/driver-docker-remote"
import { assert, describe, it } from "@effect/vitest"
import { Config, ConfigProvider, Effect, Redacted } from "effect"
import { makeAuthority } from "../support/certificates.ts"

const authority = makeAuthority()
const certificate = authority.server(["DNS:localhost", "IP:127.0.0.1"])
const client = authority.client()

const answers: RequestListener = (request, response) => {
  const version = { Version: "20.10.24", ApiVersion: "1.41", Os: "linux", Arch: "amd64" }
  response.setHeader("Api-Version", "1.41")
  response.setHeader("Connection", "close")
  response.end(
    request.url === "/_ping"
      ? "OK"
      : JSON.stringify({ ...version, ID: "one", NCPU: 2, MemTotal: 1e9, Runtimes: { runc: {} } }),
  )
}

const listening = (server: Server) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      server.listen(0, "127.0.0.1")
      await once(server, "listening")
      const address = server.address()
      return typeof address === "object" ? (address?.port ?? 0) : 0
    }),
    () => Effect.sync(() => server.close()),
  )

/** An engine that asks for a client certificate. */
const secured = (onConnection: (socket: TLSSocket) => void = () => {}) => {
  const server = createHttpsServer(
    { ...certificate, ca: authority.ca, requestCert: true, rejectUnauthorized: true },
    answers,
  )
  server.on("secureConnection", onConnection)
  return Effect.map(listening(server), (port) => `https://localhost:${port}`)
}

const folder = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "cordon-remote-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true })),
)

const version = (options: ConnectionOptions, env: Record<string, string> = {}) =>
  Effect.flatMap(DockerEngine, (engine) => engine.version).pipe(
    Effect.map(({ Version }) => Version),
    Effect.provide(layerEngine({ retries: 0, ...options })),
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown(env)),
  )

describe("connections to an engine", () => {
  it.live("resume the TLS session of earlier connections", () =>
    Effect.gen(function* () {
      const resumed: Array<boolean> = []
      const host = yield* secured((socket) => void resumed.push(socket.isSessionReused()))
      yield* Effect.gen(function* () {
        const engine = yield* DockerEngine
        for (let calls = 0; calls < 5; calls++) yield* engine.version
      }).pipe(Effect.provide(layerEngine({ host, tls: { ca: authority.ca, ...client } })))
      assert.strictEqual(resumed[0], false)
      assert.isAtLeast(resumed.length, 6)
      assert.include(resumed.slice(1), true)
    }).pipe(Effect.scoped),
  )

  it.live("that break repeat only repeatable requests, as often as configured", () =>
    Effect.gen(function* () {
      const seen = new Map<string, number>()
      const server = createHttpServer((request, response) => {
        if (request.url === "/_ping") return answers(request, response)
        const line = `${request.method} ${request.url?.replace(/^\/v[\d.]+|\?.*/g, "")}`
        seen.set(line, (seen.get(line) ?? 0) + 1)
        request.socket.destroy()
      })
      const host = `tcp://127.0.0.1:${yield* listening(server)}`
      yield* Effect.gen(function* () {
        const engine = yield* DockerEngine
        for (const call of [
          engine.version,
          engine.containerInspect("box"),
          engine.containerStart("box"),
          engine.containerRemove("box"),
          engine.networkRemove("net"),
          engine.containerKill("box"),
          engine.containerPause("box"),
          engine.containerRename("box", "other"),
          engine.containerPutArchive("box", "/", new Uint8Array(1024)),
          Effect.scoped(engine.containerAttach("box")),
          engine.networkConnect("net", "box"),
          engine.execCreate("box", ["true"]),
        ]) {
          const error = yield* Effect.flip(Effect.asVoid(call))
          assert.include(["EngineUnreachable", "EngineError"], error._tag)
        }
      }).pipe(Effect.provide(layerEngine({ host, retries: 2 })))
      assert.deepStrictEqual(Object.fromEntries(seen), {
        "GET /version": 3,
        "GET /containers/box/json": 3,
        "POST /containers/box/start": 3,
        "DELETE /containers/box": 3,
        "DELETE /networks/net": 3,
        "POST /containers/box/kill": 3,
        "POST /containers/box/pause": 1,
        "POST /containers/box/rename": 1,
        "PUT /containers/box/archive": 3,
        "POST /containers/box/attach": 1,
        "POST /networks/net/connect": 1,
        "POST /containers/box/exec": 3,
      })
    }).pipe(Effect.scoped),
  )

  it.live("accept an encrypted key, and say what is wrong with its passphrase", () =>
    Effect.gen(function* () {
      const host = yield* secured()
      const path = join(yield* folder, "key.pem")
      writeFileSync(path, client.key)
      const key = execFileSync(
        "openssl",
        ["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-in", path, "-passout", "pass:open sesame"],
        { encoding: "utf8" },
      )
      assert.include(key, "BEGIN ENCRYPTED PRIVATE KEY")
      const { ca } = authority
      const tls = { ca, cert: client.cert, key: Redacted.make(key) }
      const passphrase = Redacted.make("open sesame")
      assert.strictEqual(yield* version({ host, tls: { ...tls, passphrase } }), "20.10.24")
      const refused = (tls: TlsOptions) =>
        Effect.map(Effect.flip(version({ host, tls })), ({ message }) => message)
      const wrong = yield* refused({ ...tls, passphrase: "s3cret guess" })
      assert.match(wrong, /the passphrase does not open the key/)
      assert.notInclude(wrong, "s3cret")
      // Its older form, as openssl still writes it when it is asked to.
      const older = execFileSync(
        "openssl",
        ["pkey", "-traditional", "-aes256", "-in", path, "-passout", "pass:open sesame"],
        { encoding: "utf8" },
      )
      assert.include(older, "Proc-Type: 4,ENCRYPTED")
      for (const key of [tls.key, older]) {
        assert.match(yield* refused({ ...tls, key }), /the key is encrypted; give its passphrase/)
      }
      assert.strictEqual(
        yield* version({ host, tls: { ...tls, key: older, passphrase } }),
        "20.10.24",
      )
    }).pipe(Effect.scoped),
  )

  it.live("take their certificates from the current docker context", () =>
    Effect.gen(function* () {
      const host = yield* secured()
      const dockerConfig = yield* folder
      const digest = createHash("sha256").update("far").digest("hex")
      const meta = join(dockerConfig, "contexts", "meta", digest)
      const tls = join(dockerConfig, "contexts", "tls", digest, "docker")
      mkdirSync(meta, { recursive: true })
      // As the docker client writes it.
      const docker = { Host: host.replace("https", "tcp"), SkipTLSVerify: false }
      writeFileSync(
        join(meta, "meta.json"),
        JSON.stringify({ Name: "far", Metadata: {}, Endpoints: { docker } }),
      )
      const env = { DOCKER_CONFIG: dockerConfig, DOCKER_CONTEXT: "far" }
      // Without certificates it is a plain host, which this one does not answer.
      const plain = yield* Effect.flip(version({}, env))
      assert.match(plain.message, /TLS|closed the connection|reset/)
      mkdirSync(tls, { recursive: true })
      const files = { ca: authority.ca, cert: client.cert, key: client.key }
      for (const [name, pem] of Object.entries(files)) writeFileSync(join(tls, `${name}.pem`), pem)
      assert.strictEqual(yield* version({}, env), "20.10.24")
    }).pipe(Effect.scoped),
  )

  it.live("are set up by the program's Config", () =>
    Effect.gen(function* () {
      const host = yield* secured()
      const driver = layerConfig({
        host: Config.String("ENGINE"),
        tls: Config.all({
          ca: Config.String("ENGINE_CA"),
          cert: Config.String("ENGINE_CERT"),
          key: Config.Redacted("ENGINE_KEY"),
        }),
      })
      const hostWith = (env: Record<string, string>) =>
        Effect.flatMap(SandboxDriver, ({ capabilities }) => capabilities).pipe(
          Effect.map((capabilities) => capabilities.host),
          Effect.provide(driver),
          Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown(env)),
        )
      const env = { ENGINE: host, ENGINE_CA: authority.ca, ENGINE_CERT: client.cert }
      assert.include(yield* hostWith({ ...env, ENGINE_KEY: client.key }), host)
      const missing = yield* Effect.flip(hostWith(env))
      assert.strictEqual(missing._tag, "ConfigError")
      assert.match(missing.message, /ENGINE_KEY/)
    }).pipe(Effect.scoped),
  )
})
