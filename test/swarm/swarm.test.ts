import { execFile } from "node:child_process"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { collectOutput, SandboxDriver, type SandboxId } from "@cordon/core"
import { dockerSwarm } from "@cordon/driver-docker-swarm"
import { assert, describe } from "@effect/vitest"
import { Effect, Fiber, Stream } from "effect"
import { afterAll } from "vitest"
import { driverContract, partsContract } from "../contract/index.ts"
import { removalSuite } from "./brokenOff.ts"
import { changeNode, nodesOf, noSwarm, startSwarm, until } from "./cluster.ts"
import { forgerySuite } from "./forgery.ts"
import {
  checkOn,
  create,
  exec,
  image,
  leftOf,
  nodeOf,
  nothing,
  out,
  session,
  small,
} from "./support.ts"

const cluster = noSwarm === undefined ? await startSwarm([image, small]) : undefined
afterAll(() => cluster?.stop(), 120_000)

const driverAt = (managers: ReadonlyArray<string>) =>
  dockerSwarm({ managers, tls: cluster?.tls ?? {} })
const one = driverAt([cluster?.manager.endpoint ?? "tcp://127.0.0.1:1"])

driverContract("docker-swarm on three engines", {
  layer: one,
  image,
  unavailable: noSwarm,
  runs: 3,
})

const smallBoxes = {
  layer: one,
  image,
  unavailable: noSwarm,
  timeout: 120_000,
  settings: { limits: { memory: "64MiB", cpus: 0.5 } },
} as const
partsContract("Lasting shells: docker-swarm on three engines", ["shells"], smallBoxes)
partsContract("Processes: docker-swarm on three engines", ["processes"], smallBoxes)

describe("a swarm of three engines", () => {
  const check = checkOn(cluster, one)

  check(
    "skips endpoints that are no manager",
    () =>
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        assert.strictEqual((yield* driver.capabilities).driver, "docker-swarm")
        const id = yield* create({ network: "none" })
        yield* driver.remove(id)
      }),
    120_000,
    driverAt(cluster?.nodes.map(({ endpoint }) => endpoint).toReversed() ?? []),
  )

  check("hardens and limits a sandbox as the Docker driver does", ({ workers }) =>
    Effect.gen(function* () {
      const id = yield* create({ network: "none" })
      assert.strictEqual(yield* out(id, "ls /sys/class/net"), "lo")
      const status = yield* out(id, "cat /proc/self/status")
      assert.match(status, /NoNewPrivs:\t1/)
      assert.match(status, /CapBnd:\t00000000000000fb\n/)
      const containers = yield* Effect.promise(async () => {
        const found = await Promise.all(
          workers.map(async ({ engine }) => {
            const filters = { label: [`dev.cordon.id=${id}`] }
            const list = await engine.listContainers({ filters })
            return Promise.all(list.map(({ Id }) => engine.getContainer(Id).inspect()))
          }),
        )
        return found.flat()
      })
      const host = containers[0]?.HostConfig
      assert.strictEqual(host?.Memory, 32 * 1024 ** 2)
      assert.strictEqual(host?.MemorySwap, 32 * 1024 ** 2)
      assert.strictEqual(host?.NanoCpus, 1e8)
      assert.strictEqual(host?.PidsLimit, 32)
      const eater = yield* exec(id, "head -c 100m /dev/zero | tail -c 100m | wc -c")
      assert.isTrue(eater.oomKilled || eater.exitCode !== 0 || eater.stdout.trim() === "0")
      assert.strictEqual(yield* out(id, "echo on"), "on")
    }),
  )

  check(
    "runs examples/swarm.ts",
    (cluster) =>
      Effect.promise(async () => {
        const folder = await mkdtemp(join(tmpdir(), "cordon-swarm-example-"))
        try {
          for (const [file, pem] of Object.entries(cluster.tls)) {
            await writeFile(join(folder, `${file}.pem`), pem, { mode: 0o600 })
          }
          const example = join(import.meta.dirname, "../../examples/swarm.ts")
          const args = ["--conditions=@cordon/source", example, cluster.manager.endpoint]
          const env = {
            ...process.env,
            DOCKER_CERT_PATH: folder,
            CONTAINER_SANDBOX_IMAGE: small,
          }
          const { stdout } = await promisify(execFile)(process.execPath, args, { env })
          assert.match(stdout, /^all: 180001$/m)
          assert.lengthOf(stdout.match(/^\d+ to \d+: \d+$/gm) ?? [], 4)
        } finally {
          await rm(folder, { recursive: true })
        }
        await until("the end of its sandboxes", 60, async () => {
          const { services, containers } = await leftOf(cluster)
          return services === 0 && containers === 0
        })
      }),
    240_000,
  )

  check("isolates two sandboxes of one node, and lets none out of an internal network", (cluster) =>
    Effect.gen(function* () {
      const boxes = yield* Effect.forEach([1, 2, 3], () => create({ network: "bridge" }), {
        concurrency: 3,
      })
      const inside = yield* create({ network: "internal" })
      const hosts = yield* Effect.promise(() => Promise.all(boxes.map((id) => nodeOf(cluster, id))))
      const [a, b] = boxes.flatMap((id, n) =>
        hosts.some((host, m) => n !== m && host === hosts[n]) ? [id] : [],
      )
      assert.isDefined(a)
      assert.isDefined(b)
      if (a === undefined || b === undefined) return
      const port = 8000
      yield* exec(b, `nc -ll -p ${port} -e echo peer >/dev/null 2>&1 &`)
      const talk = (id: SandboxId, address: string, to: number) =>
        out(id, `nc -w 2 ${address} ${to} </dev/null 2>/dev/null `)
      assert.match(yield* talk(b, "127.0.0.1", port), /peer/)
      const addresses = (yield* out(b, "ip -4 -o addr | awk '{print $4}'")).split("\n")
      const peers = addresses.map((address) => address.replace(/\/.*/, ""))
      assert.isAtLeast(peers.length, 3)
      for (const peer of peers.filter((address) => address !== "127.0.0.1")) {
        assert.notInclude(yield* talk(a, peer, port), "peer", peer)
      }
      const { hostname } = new URL(cluster.manager.endpoint)
      assert.notStrictEqual(
        (yield* exec(inside, `nc -w 5 ${hostname} 2376 </dev/null`)).exitCode,
        0,
      )
      assert.notInclude(yield* out(inside, "ip route"), "default")
    }),
  )

  check(
    "ends all daemons when a sandbox is stopped, also hidden ones, and keeps it on its node",
    () =>
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        const id = yield* create()
        const beats = (file: string) => `while :; do echo . >>/tmp/${file}; sleep 0.1; done`
        yield* exec(id, `(${beats("one")}) >/dev/null 2>&1 &`)
        yield* exec(id, `env -i setsid sh -c '${beats("two")}' >/dev/null 2>&1 &`)
        const running = yield* Effect.forkChild(exec(id, "sleep 1000"))
        yield* exec(id, "until [ -s /tmp/one ] && [ -s /tmp/two ]; do sleep 0.1; done")
        yield* driver.stop(id)
        assert.strictEqual((yield* Fiber.join(running)).exitCode, 137)
        assert.strictEqual((yield* Effect.flip(exec(id, "true")))._tag, "SandboxNotRunning")
        yield* driver.start(id)
        const sizes = "wc -c </tmp/one; wc -c </tmp/two"
        const [before, ...after] = (yield* out(
          id,
          `(${sizes}) | xargs; sleep 1; (${sizes}) | xargs`,
        ))
          .trim()
          .split("\n")
        assert.deepStrictEqual(after, [before])
      }),
  )

  check("gives commands the requested environment, and no variable of its own shell", () =>
    Effect.gen(function* () {
      const driver = yield* SandboxDriver
      for (const of of [image, small]) {
        const id = yield* create({ image: of, env: { OWN: "yes" } })
        const { stdout } = yield* collectOutput(driver.exec(id, { command: ["env"] }), 4096)
        const names = stdout
          .trim()
          .split("\n")
          .map((line) => line.replace(/=.*/, ""))
        assert.include(names, "OWN")
        for (const name of ["PWD", "OLDPWD", "SHLVL", "line"]) assert.notInclude(names, name)
      }
    }),
  )

  check("dials ports of a sandbox on any node, and reports its resource use", () =>
    Effect.gen(function* () {
      const driver = yield* SandboxDriver
      const id = yield* create()
      yield* exec(id, "busybox httpd -p 127.0.0.1:8000 -h /etc")
      const { output, write, end } = yield* driver.dial(id, 8000)
      yield* write(new TextEncoder().encode("GET /passwd HTTP/1.0\r\n\r\n"))
      yield* end
      const answer = yield* output.pipe(Stream.decodeText, Stream.mkString)
      assert.match(answer, /^HTTP.* 200 .*root:/s)
      const refused = yield* Effect.flip(Effect.scoped(driver.dial(id, 8001)))
      assert.strictEqual(refused._tag, "PortUnreachable")
      const { cpuTime = 0, memory = 0, pids = 0, network } = yield* driver.stats(id)
      for (const number of [cpuTime, memory, pids]) assert.isAbove(number, 0)
      assert.deepStrictEqual(network, { received: 0, sent: 0 })
    }),
  )

  check("listens on ports of a sandbox on any node, also after a stop and start", () =>
    Effect.gen(function* () {
      const driver = yield* SandboxDriver
      const id = yield* create()
      const accept = yield* driver.listen(id, 8000)
      const serve = Effect.gen(function* () {
        const { output, write, end } = yield* accept
        yield* write(Buffer.from((yield* Stream.mkString(Stream.decodeText(output))).toUpperCase()))
        yield* end
      }).pipe(Effect.scoped, Effect.forever)
      yield* Effect.forkScoped(serve)
      const ask = out(id, "printf word | busybox nc -w 5 127.0.0.1 8000")
      assert.strictEqual(yield* ask, "WORD")
      yield* driver.stop(id)
      yield* driver.start(id)
      assert.strictEqual(yield* ask, "WORD")
    }),
  )

  check("refuses a user that the image does not have", () =>
    Effect.gen(function* () {
      for (const user of ["nosuch", "4294967296"]) {
        const error = yield* Effect.flip(create({ user }))
        assert.strictEqual(error._tag, "InvalidInput")
      }
    }),
  )

  check("ends a fork bomb at its timeout, and keeps the sandbox's files", () =>
    Effect.gen(function* () {
      const id = yield* create({ image, limits: { memory: 128 * 1024 ** 2, cpus: 1, pids: 32 } })
      const bomb = `perl -e 'while (1) { fork }'`
      yield* exec(id, "echo kept > /tmp/kept")
      const result = yield* exec(id, bomb, 2)
      assert.isTrue(result.timedOut)
      assert.strictEqual(yield* out(id, "cat /tmp/kept"), "kept")
    }),
  )

  check("fails a creation when all nodes are full, and leaves no service pending", (cluster) =>
    Effect.gen(function* () {
      const driver = yield* SandboxDriver
      const { capacity } = yield* driver.capabilities
      const limits = { memory: 64 * 1024 ** 2, cpus: capacity.cpus ?? 0, pids: 32 }
      yield* Effect.forEach([1, 2], () => create({ limits }), { concurrency: 2 })
      for (const network of ["none", "bridge"] as const) {
        const error = yield* Effect.flip(create({ limits, network }))
        assert.strictEqual(error._tag, "QuotaExceeded")
        assert.match(error.message, /cores and .* of memory of the swarm's 2 nodes for runc/)
      }
      const { services, networks } = yield* Effect.promise(() => leftOf(cluster))
      assert.deepStrictEqual({ services, networks }, { services: 2, networks: 0 })
      // What is beyond the largest node is refused by limits; what the others use is not.
      const more = yield* create({ limits: { ...limits, cpus: 0.01 } }).pipe(Effect.result)
      assert.strictEqual(more._tag, "Failure")
    }),
  )

  check(
    "spreads 100 sandboxes over its nodes",
    (cluster) =>
      Effect.gen(function* () {
        const limits = { memory: 16 * 1024 ** 2, cpus: 0.02, pids: 16 }
        const ids = yield* Effect.scoped(
          Effect.gen(function* () {
            const driver = yield* SandboxDriver
            const ids = yield* Effect.forEach(
              Array.from({ length: 100 }, (_, n) => n),
              // Each fifth with an overlay network of its own.
              (n) => create({ limits, network: n % 5 === 0 ? "internal" : "none" }),
              { concurrency: 8 },
            )
            const listed = yield* driver.list(session)
            assert.strictEqual(listed.filter(({ status }) => status === "running").length, 100)
            const on = yield* Effect.promise(() =>
              Promise.all(
                cluster.workers.map(({ engine }) =>
                  engine.listContainers({ filters: { label: ["dev.cordon.spec"] } }),
                ),
              ),
            )
            assert.deepStrictEqual(
              on.map((containers) => containers.length),
              [50, 50],
            )
            const answers = yield* Effect.forEach(
              ids.filter((_, n) => n % 10 === 0),
              (id) => out(id, "echo works"),
              { concurrency: 4 },
            )
            assert.deepStrictEqual(
              answers,
              Array.from({ length: 10 }, () => "works"),
            )
            yield* Effect.forEach(ids, (id) => driver.remove(id), { concurrency: 8 })
            return ids
          }),
        )
        assert.strictEqual(new Set(ids).size, 100)
        // Networks go behind.
        yield* Effect.promise(() =>
          until("nothing is left", 30, async () => {
            assert.deepStrictEqual(await leftOf(cluster), nothing)
            return true
          }),
        )
      }),
    600_000,
  )

  check("places nothing on a drained node, and reports what became of its sandboxes", (cluster) =>
    Effect.gen(function* () {
      const driver = yield* SandboxDriver
      const [a, b] = [yield* create(), yield* create()]
      const host = yield* Effect.promise(() => nodeOf(cluster, a))
      assert.notStrictEqual(yield* Effect.promise(() => nodeOf(cluster, b)), host)
      const available = (Availability: string) =>
        Effect.promise(() =>
          changeNode(cluster.manager, host, (spec) => ({ ...spec, Availability })),
        )
      yield* available("drain")
      yield* Effect.addFinalizer(() => available("active"))
      yield* Effect.promise(() =>
        until("the end of the drained sandbox", 30, async () => {
          const info = await Effect.runPromise(driver.inspect(a))
          const used = await Effect.runPromise(
            exec(a, "true").pipe(Effect.provideService(SandboxDriver, driver), Effect.result),
          )
          const refused = used._tag === "Failure" && used.failure._tag === "SandboxNotRunning"
          return info.status === "stopped" && refused
        }),
      )
      assert.match((yield* Effect.flip(driver.start(a))).message, /create another one/)
      assert.strictEqual(yield* out(b, "echo on"), "on")
      const next = yield* create()
      assert.notStrictEqual(yield* Effect.promise(() => nodeOf(cluster, next)), host)
      yield* driver.remove(a)
      assert.strictEqual((yield* Effect.flip(driver.inspect(a)))._tag, "SandboxNotFound")
    }),
  )

  check(
    "reports a lost node, goes on with the others, and cleans up when it is back",
    (cluster) =>
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        const [a, b] = [yield* create({ network: "internal" }), yield* create()]
        const host = yield* Effect.promise(() => nodeOf(cluster, a))
        const node = cluster.nodes.find(({ name }) => name === host)
        assert.isDefined(node)
        const state = (wanted: string) =>
          Effect.promise(() =>
            until(`${host} ${wanted}`, 90, async () => {
              const { Status } = (await nodesOf(cluster.manager)).get(host) ?? {}
              return Status?.State === wanted
            }),
          )
        yield* exec(a, "true")
        node.cable(false)
        yield* Effect.addFinalizer(() => Effect.sync(() => node.cable(true)))
        yield* state("down")
        const lost = yield* Effect.flip(exec(a, "true"))
        // Whether the request was on its way when the connection went tells which of them.
        assert.include(["EngineUnreachable", "EngineError", "SandboxNotRunning"], lost._tag)
        assert.strictEqual((yield* driver.inspect(a)).status, "stopped")
        assert.strictEqual(yield* out(b, "echo on"), "on")
        const next = yield* create()
        assert.notStrictEqual(yield* Effect.promise(() => nodeOf(cluster, next)), host)
        yield* driver.remove(a)
        for (const id of [b, next]) yield* driver.remove(id)
        node.cable(true)
        yield* state("ready")
        yield* Effect.promise(() =>
          until("nothing is left", 60, async () => {
            assert.deepStrictEqual(await leftOf(cluster), nothing)
            return true
          }),
        )
      }),
    240_000,
  )

  forgerySuite(
    check,
    dockerSwarm({
      managers: [cluster?.manager.endpoint ?? "tcp://127.0.0.1:1"],
      tls: cluster?.tls ?? {},
      nodesReachable: true,
    }),
  )

  removalSuite(check, one)
})
