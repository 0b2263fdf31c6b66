import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DockerEngine } from "@cordon/driver-docker"
import { type ConnectionOptions, layerEngine } from "@cordon/driver-docker-remote"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Logger, Redacted } from "effect"
import { makeAuthority } from "../support/certificates.ts"

const authority = makeAuthority()
const client = authority.client()
const other = authority.client()
const host = "tcp://127.0.0.1:1"

/** Where the driver would go; nothing connects before the first call. */
const endpointOf = (options: ConnectionOptions, env: Record<string, string> = {}) =>
  Effect.map(DockerEngine, ({ endpoint }) => endpoint).pipe(
    Effect.provide(layerEngine(options)),
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown(env)),
  )

const wrong: ReadonlyArray<readonly [name: string, options: ConnectionOptions, issue: RegExp]> = [
  ["a host without a scheme", { host: "docker.example.com" }, /must look like tcp:/],
  [
    "a host with a password",
    { host: "https://me:s3cret@far:1" },
    /must not have a user name, password/,
  ],
  ["plain HTTP with certificates", { host: "http://far", tls: client }, /http:\/\/ means no TLS/],
  ["a certificate without its key", { host, tls: { cert: client.cert } }, /key is missing/],
  [
    "a key that is not the certificate's",
    { host, tls: { cert: client.cert, key: Redacted.make(other.key) } },
    /does not belong to the certificate/,
  ],
  [
    "a key that lost its header",
    { host, tls: { cert: client.cert, key: client.key.replace("-----BEGIN", "s3cret") } },
    /"key" is neither a PEM text nor the path of a file/,
  ],
  ["a folder that is not there", { host, tls: { directory: "/no/such" } }, /has no ca\.pem/],
  ["no time at all", { host, connectTimeout: 0 }, /connectTimeout/],
  ["too little of connections", { host, connections: 0 }, /connections/],
]

describe("settings of a remote engine", () => {
  it.live.each(wrong)("are refused: %s", ([, options, issue]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(endpointOf(options))
      assert.include(["InvalidInput", "EngineUnreachable"], error._tag)
      assert.match(error.message, issue)
      for (const line of [...client.key.split("\n").slice(1, -2), "s3cret"]) {
        assert.notInclude(error.message, line)
      }
    }),
  )

  it.live("default to Docker's ports, and follow Docker's environment variables", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireRelease(
        Effect.sync(() => mkdtempSync(join(tmpdir(), "cordon-tls-"))),
        (path) => Effect.sync(() => rmSync(path, { recursive: true })),
      )
      writeFileSync(join(folder, "ca.pem"), authority.ca)
      const env = { DOCKER_HOST: "tcp://localhost" }
      assert.strictEqual(yield* endpointOf({}, env), "tcp://localhost:2375")
      const secure = { ...env, DOCKER_TLS_VERIFY: "1", DOCKER_CERT_PATH: folder }
      assert.strictEqual(yield* endpointOf({}, secure), "tcp://localhost:2376")
      assert.strictEqual(yield* endpointOf({ tls: false }, secure), "tcp://localhost:2375")
      assert.strictEqual(yield* endpointOf({ host: "https://[::1]/x/" }), "https://[::1]:2376/x")
    }).pipe(Effect.scoped),
  )

  it.live("warn once about an unencrypted remote host, and never about loopback", () =>
    Effect.gen(function* () {
      const warnings: Array<unknown> = []
      const logger = Logger.make(({ message }) => void warnings.push(message))
      for (const host of [
        "tcp://far.example",
        "tcp://far.example",
        "tcp://127.0.0.2",
        "tcp://[::1]",
      ]) {
        yield* endpointOf({ host }).pipe(Effect.provide(Logger.layer([logger])))
      }
      assert.strictEqual(warnings.length, 1)
      assert.match(String(warnings[0]), /tcp:\/\/far\.example:2375 .* root access to its host/)
    }),
  )
})
