import { execFileSync } from "node:child_process"
import { createServer, type Server } from "node:net"
import { SandboxName, SessionId, sandboxId, sessionKey } from "@cordon/core"
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { GenericContainer } from "testcontainers"
import { freshSessionId } from "../support/sandbox.ts"
import {
  containerOf,
  engine,
  image,
  networkOf,
  onEngine,
  ownedBy,
  textOf,
  withSession,
} from "./support.ts"

/** A container that is no sandbox, on the engine's default network. */
const bystander = (name?: string, labels: Record<string, string> = {}) =>
  Effect.acquireRelease(
    Effect.promise(() => {
      const container = new GenericContainer(image)
        .withCommand(["sh", "-c", "while :; do sleep 1; done"])
        .withLabels(labels)
      return (name === undefined ? container : container.withName(name)).start()
    }),
    (container) => Effect.promise(() => container.stop({ timeout: 0 })),
  )

/** A host of our own behind the engine's: a network namespace at the other end of a wire. */
const hostBeyond = Effect.acquireRelease(
  Effect.sync(() => {
    const name = `cordon-${process.pid}`
    const wire = `cw${process.pid}`.slice(0, 12)
    const ip = (line: string) => execFileSync("ip", line.split(" "))
    ip(`netns add ${name}`)
    ip(`link add ${wire} type veth peer name eth0 netns ${name}`)
    ip(`addr add 10.251.7.1/30 dev ${wire}`)
    ip(`link set ${wire} up`)
    ip(`-n ${name} addr add 10.251.7.2/30 dev eth0`)
    ip(`-n ${name} link set eth0 up`)
    ip(`-n ${name} route add default via 10.251.7.1`)
    return { name, address: "10.251.7.2" }
  }),
  ({ name }) => Effect.sync(() => execFileSync("ip", ["netns", "del", name])),
).pipe(Effect.map(({ address }) => address))

/** A service on all addresses of this host. */
const listening = Effect.acquireRelease(
  Effect.callback<Server>((resume) => {
    const server = createServer((socket) => socket.on("error", () => undefined).end("hello"))
    server.listen(0, "0.0.0.0", () => resume(Effect.succeed(server)))
  }),
  (server) => Effect.sync(() => server.close()),
).pipe(
  Effect.map((server) => {
    const address = server.address()
    return { port: typeof address === "object" ? address?.port : undefined }
  }),
)

describe("isolation on a real engine", () => {
  onEngine("hides a session's sandboxes from every other session", () =>
    withSession((a, sandboxes) =>
      Effect.gen(function* () {
        const b = yield* sandboxes.session(freshSessionId())
        const mine = yield* a.create({ name: "box" })
        yield* mine.files.write("secret", "s3cret")
        const { Id } = yield* containerOf(mine)
        const references = [
          "box",
          mine.id,
          Id,
          Id.slice(0, 12),
          `/${mine.id}`,
          `../${mine.id}`,
          mine.id.toUpperCase(),
          `${mine.id}\n`,
          `box?x=${Id}`,
          "..%2f",
          "",
          "*",
        ]
        for (const reference of references) {
          const error = yield* Effect.flip(b.get(reference))
          assert.strictEqual(error._tag, "SandboxNotFound", reference)
        }
        assert.deepStrictEqual(yield* b.list, [])
        // The same name is another sandbox there, and removing it touches only it.
        const theirs = yield* b.create({ name: "box" })
        assert.strictEqual(
          (yield* Effect.flip(theirs.files.readText("secret")))._tag,
          "FileNotFound",
        )
        yield* theirs.remove
        assert.strictEqual(yield* mine.files.readText("secret"), "s3cret")
      }),
    ),
  )

  onEngine("does not touch a foreign container that has a sandbox's name", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const session = freshSessionId()
        const key = sessionKey(SessionId.make(session))
        const id = sandboxId(key, SandboxName.make("box"))
        const rest = Buffer.from(key.slice(16), "hex").toString("base64url")
        const foreign = yield* bystander(`${id}.${rest}`)
        yield* withSession((_, sandboxes) =>
          Effect.gen(function* () {
            const victim = yield* sandboxes.session(session)
            assert.strictEqual((yield* Effect.flip(victim.get("box")))._tag, "SandboxNotFound")
            assert.strictEqual(
              (yield* Effect.flip(victim.create({ name: "box" })))._tag,
              "SandboxNameTaken",
            )
            assert.deepStrictEqual(yield* victim.list, [])
          }),
        )
        const { State } = yield* Effect.promise(() =>
          engine.getContainer(foreign.getId()).inspect(),
        )
        assert.isTrue(State.Running)
        assert.strictEqual((yield* Effect.promise(() => ownedBy(id))).networks, 0)
      }),
    ),
  )

  onEngine("lets no sandbox reach another one or another container", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const foreign = yield* bystander()
        yield* withSession((session) =>
          Effect.gen(function* () {
            const [one, two] = yield* Effect.all([session.create(), session.create()], {
              concurrency: 2,
            })
            const addressOf = (id: string) =>
              Effect.promise(async () => {
                const { NetworkSettings } = await engine.getContainer(id).inspect()
                const [network] = Object.values(NetworkSettings.Networks)
                return network?.IPAddress ?? ""
              })
            const addresses = [
              yield* addressOf(two.info.instanceId),
              yield* addressOf(foreign.getId()),
            ]
            for (const address of addresses) {
              assert.match(address, /^\d+\.\d+\.\d+\.\d+$/)
              // A closed port of a host that can be reached answers at once: refused is reached.
              const script = `exec 2>&1; timeout 2 bash -c 'echo > /dev/tcp/${address}/9' || true`
              const answer = (yield* one.exec(script)).stdout
              assert.notMatch(answer, /refused/i)
            }
            // The probe itself works: a closed port of its own is refused.
            const self = (yield* one.exec(`bash -c 'echo > /dev/tcp/127.0.0.1/9' 2>&1 || true`))
              .stdout
            assert.match(self, /refused/i)
          }),
        )
      }),
    ),
  )

  onEngine("gives each sandbox its own network, no network, or an internal one, as asked", () =>
    withSession((session) =>
      Effect.gen(function* () {
        const [bridge, internal, none] = yield* Effect.all(
          [
            session.create({ network: "bridge" }),
            session.create({ network: "internal" }),
            session.create({ network: "none" }),
          ],
          { concurrency: 3 },
        )
        const { Options, Internal } = yield* networkOf(bridge)
        assert.strictEqual(Options?.["com.docker.network.bridge.enable_icc"], "false")
        assert.isFalse(Internal)
        assert.isTrue((yield* networkOf(internal)).Internal)
        const interfaces = (sandbox: typeof bridge) => textOf(sandbox, "cat /proc/net/dev")
        assert.match(yield* interfaces(bridge), /eth0:/)
        assert.match(yield* interfaces(internal), /eth0:/)
        assert.notMatch(yield* interfaces(none), /eth0:/)
        // A host beyond the engine's own: with a way out its closed port answers.
        const outside = yield* hostBeyond
        const probe = `timeout 2 bash -c 'echo > /dev/tcp/${outside}/9' 2>&1 || true`
        assert.match((yield* bridge.exec(probe)).stdout, /refused/i)
        assert.notMatch((yield* internal.exec(probe)).stdout, /refused/i)
        assert.notMatch((yield* none.exec(probe)).stdout, /refused/i)
        yield* Effect.all([bridge.remove, internal.remove, none.remove], { concurrency: 3 })
        assert.deepStrictEqual(yield* Effect.promise(() => ownedBy(bridge.id)), {
          containers: 0,
          networks: 0,
        })
      }).pipe(Effect.scoped),
    ),
  )

  onEngine(
    "keeps a sandbox on an internal network from reaching its host or sending name lookups out",
    () =>
      withSession((session) =>
        Effect.gen(function* () {
          const [internal, bridge] = yield* Effect.all(
            [session.create({ network: "internal" }), session.create({ network: "bridge" })],
            { concurrency: 2 },
          )
          // Something that listens on all addresses of the host, as many services do.
          const { port } = yield* listening
          const probe = (sandbox: typeof internal) =>
            Effect.gen(function* () {
              const { IPAM } = yield* networkOf(sandbox)
              const subnet = IPAM?.Config?.[0]?.Subnet ?? ""
              const gateway = subnet.replace(/\d+\/29$/, (host) =>
                String(Number.parseInt(host, 10) + 1),
              )
              const script = `timeout 5 bash -c 'echo > /dev/tcp/${gateway}/${port}' && echo open`
              return (yield* sandbox.exec(script)).stdout.trim()
            })
          // The probe itself works: with a way out there is one to the host as well.
          assert.strictEqual(yield* probe(bridge), "open")
          assert.strictEqual(yield* probe(internal), "")
          const { HostConfig } = yield* containerOf(internal)
          assert.deepStrictEqual(HostConfig.Dns, ["127.0.0.1"])
        }).pipe(Effect.scoped),
      ),
  )

  onEngine("hardens every container, and writes no environment variable into its labels", () =>
    withSession((session) =>
      Effect.gen(function* () {
        const sandbox = yield* session.create({ env: { API_TOKEN: "t0psecret" } })
        const { HostConfig, Config, Mounts } = yield* containerOf(sandbox)
        assert.deepStrictEqual(Mounts, [])
        assert.isFalse(HostConfig.Privileged)
        assert.include(HostConfig.SecurityOpt ?? [], "no-new-privileges")
        assert.isFalse(
          (HostConfig.SecurityOpt ?? []).some((option: string) => /unconfined/.test(option)),
        )
        assert.deepStrictEqual(HostConfig.CapDrop, ["ALL"])
        assert.deepStrictEqual(Config.Entrypoint, ["/.cordon/init"])
        assert.isFalse(HostConfig.Init)
        assert.strictEqual(HostConfig.LogConfig?.Type, "none")
        assert.notInclude(JSON.stringify(Config.Labels), "t0psecret")
        const status = yield* textOf(sandbox, "cat /proc/self/status")
        assert.match(status, /^NoNewPrivs:\s+1$/m)
        assert.match(status, /^Seccomp:\s+2$/m)
        const effective = BigInt(`0x${/^CapEff:\s+([0-9a-f]+)$/m.exec(status)?.[1] ?? ""}`)
        const bounding = BigInt(`0x${/^CapBnd:\s+([0-9a-f]+)$/m.exec(status)?.[1] ?? ""}`)
        // Never these: NET_ADMIN 12, NET_RAW 13, SYS_MODULE 16, SYS_PTRACE 19, SYS_ADMIN 21, MKNOD 27.
        for (const capability of [12n, 13n, 16n, 19n, 21n, 27n]) {
          assert.strictEqual(((effective | bounding) >> capability) & 1n, 0n, `CAP ${capability}`)
        }
        const socket = yield* sandbox.exec("ls /var/run/docker.sock /run/docker.sock")
        assert.notStrictEqual(socket.exitCode, 0)
        assert.strictEqual(yield* textOf(sandbox, "echo $API_TOKEN"), "t0psecret")
      }),
    ),
  )
})
