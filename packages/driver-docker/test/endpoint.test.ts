import { createHash } from "node:crypto"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Option } from "effect"
import { findEndpoint, socketPathOf } from "../src/endpoint/Endpoint.ts"

const temporary = Effect.acquireRelease(
  Effect.sync(() => mkdtempSync(join(tmpdir(), "cordon-endpoint-"))),
  (path) => Effect.sync(() => rmSync(path, { recursive: true })),
)

const find = (env: Record<string, string>, host?: string) =>
  findEndpoint(host).pipe(
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown(env)),
  )

const withContext = (config: string, name: string, host: string) => {
  const meta = join(config, "contexts", "meta", createHash("sha256").update(name).digest("hex"))
  mkdirSync(meta, { recursive: true })
  writeFileSync(
    join(meta, "meta.json"),
    JSON.stringify({ Name: name, Endpoints: { docker: { Host: host } } }),
  )
}

describe("findEndpoint", () => {
  it.effect("searches in the documented order, and reports the source", () =>
    Effect.gen(function* () {
      const home = yield* temporary
      withContext(join(home, ".docker"), "desk", "unix:///desk.sock")
      writeFileSync(join(home, ".docker", "config.json"), '{"currentContext":"desk"}')
      const env = {
        CONTAINER_SANDBOX_DOCKER_HOST: "unix:///own.sock",
        DOCKER_HOST: "unix:///docker.sock",
        HOME: home,
      }
      const { CONTAINER_SANDBOX_DOCKER_HOST: _own, ...less } = env
      const { DOCKER_HOST: _host, ...least } = less
      assert.strictEqual((yield* find(env, "unix:///option.sock")).host, "unix:///option.sock")
      assert.deepStrictEqual(yield* find(env), {
        host: "unix:///own.sock",
        source: "CONTAINER_SANDBOX_DOCKER_HOST is set",
        certificates: undefined,
      })
      assert.strictEqual((yield* find(less)).host, "unix:///docker.sock")
      assert.deepStrictEqual(yield* find(least), {
        host: "unix:///desk.sock",
        source: 'the docker context "desk" is current',
        certificates: undefined,
      })
      withContext(join(home, ".docker"), "other", "tcp://far:2376")
      assert.strictEqual(
        (yield* find({ ...least, DOCKER_CONTEXT: "other" })).host,
        "tcp://far:2376",
      )
      withContext(join(home, ".docker"), "by-ssh", "ssh://me@far")
      assert.strictEqual((yield* find({ ...least, DOCKER_CONTEXT: "by-ssh" })).host, "ssh://me@far")
      // Never another engine than the one that was chosen.
      const lost = yield* Effect.flip(find({ ...least, DOCKER_CONTEXT: "lost" }))
      assert.match(lost.message, /docker context "lost".* no such docker context/)
      // A well-known socket, where there is one.
      const byDefault = yield* Effect.option(find({ ...least, DOCKER_CONTEXT: "default" }))
      assert.notStrictEqual(Option.getOrUndefined(byDefault)?.host, "unix:///desk.sock")
    }),
  )

  it.effect("finds a socket in its usual place, and skips a broken context", () =>
    Effect.gen(function* () {
      const home = yield* temporary
      mkdirSync(join(home, ".docker", "run"), { recursive: true })
      writeFileSync(join(home, ".docker", "config.json"), "{ not json")
      const path = join(home, ".docker/run/docker.sock")
      yield* Effect.acquireRelease(
        Effect.callback<ReturnType<typeof createServer>>((resume) => {
          const server = createServer().listen(path, () => resume(Effect.succeed(server)))
        }),
        (server) => Effect.sync(() => server.close()),
      )
      const found = yield* find({ HOME: home })
      assert.include([`unix://${path}`, "unix:///var/run/docker.sock"], found.host)
      assert.match(found.source, /well-known/)
    }),
  )

  it.effect(
    "accepts local sockets, and names the other driver for the rest, without repeating a password",
    () =>
      Effect.gen(function* () {
        const path = yield* socketPathOf({ host: "unix:///a b.sock", source: "" })
        assert.strictEqual(path, "/a b.sock")
        const error = yield* Effect.flip(
          socketPathOf({ host: "https://me:secret@far:2376", source: "" }),
        )
        assert.match(error.message, /driver-docker-remote/)
        assert.notInclude(error.message, "secret")
        assert.match(
          (yield* Effect.flip(socketPathOf({ host: "docker.sock", source: "" }))).message,
          /unix:\/\//,
        )
      }),
  )
})
