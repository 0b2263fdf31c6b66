import { createSocket } from "node:dgram"
import { createServer } from "node:net"
import { SandboxDriver, type SandboxId } from "@cordon/core"
import { assert } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import type { Cluster } from "./cluster.ts"
import { type Check, create, type Driver, exec, image, nodeOf, out } from "./support.ts"

const port = 9000
const overlayPort = 4789

const numbers = (address: string) => address.split(".").map(Number)

const checksum = (header: Buffer) => {
  let sum = 0
  for (let at = 0; at < header.length; at += 2) sum += header.readUInt16BE(at)
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16)
  return ~sum & 0xffff
}

/** What a node's port for overlay networks takes: a UDP packet to an address of a network, and of which one. */
const forge = (network: number, address: string, text: string): Buffer => {
  const ip = numbers(address)
  const vxlan = Buffer.alloc(8)
  vxlan.writeUInt32BE(0x08000000, 0)
  vxlan.writeUInt32BE(network * 256, 4)
  const ethernet = Buffer.from([0x02, 0x42, ...ip, 0x02, 0x42, 0, 0, 0, 0x99, 0x08, 0x00])
  const udp = Buffer.alloc(8)
  udp.writeUInt16BE(5555, 0)
  udp.writeUInt16BE(port, 2)
  udp.writeUInt16BE(8 + text.length, 4)
  const header = Buffer.from([0x45, 0, 0, 28 + text.length, 0, 1, 0, 0, 64, 17, 0, 0, ...ip, ...ip])
  // From a neighbour of the network.
  header[15] = (ip[3] ?? 0) ^ 1
  header.writeUInt16BE(checksum(header), 10)
  return Buffer.concat([vxlan, ethernet, header, udp, Buffer.from(text)])
}

const addressOf = (id: SandboxId) =>
  Effect.map(out(id, "ip -4 -o addr show scope global | awk '{print $4}'"), (text) =>
    text.split("\n").map((address) => address.replace(/\/.*/, "")),
  )

/** Where a sandbox is in the swarm, as an attacker may guess it. */
const find = Effect.fnUntraced(function* (cluster: Cluster, id: SandboxId) {
  const [address = ""] = yield* addressOf(id)
  return yield* Effect.promise(async () => {
    const { manager } = cluster
    const filters = { label: [`dev.cordon.swarm=${id}`] }
    const [network] = await manager.engine.listNetworks({ filters })
    const { Options } = await manager.engine.getNetwork(network?.Id ?? "").inspect()
    const host = await nodeOf(cluster, id)
    const endpoint = cluster.nodes.find(({ name }) => name === host)?.endpoint ?? ""
    const number = Number(Options?.["com.docker.network.driver.overlay.vxlanid_list"])
    return { address, network: number, node: new URL(endpoint).hostname }
  })
})

const listen = `use Socket; socket(S, PF_INET, SOCK_DGRAM, 17); bind(S, sockaddr_in(${port}, INADDR_ANY)); $| = 1;
print "listening\\n"; $SIG{ALRM} = sub { exit }; alarm 6; while (1) { recv(S, $d, 1500, 0); print "$d\\n" }`

const send = (to: string, packet: Buffer) =>
  `use Socket; socket(S, PF_INET, SOCK_DGRAM, 17); my $sent = send(S, pack("H*", "${packet.toString("hex")}"), 0, sockaddr_in(${overlayPort}, inet_aton("${to}"))); print $sent ? "sent" : "refused: $!"`

const sendFromOutside = (to: string, packet: Buffer) =>
  Effect.promise(
    () =>
      new Promise<void>((resolve) => {
        const socket = createSocket("udp4")
        socket.send(packet, overlayPort, to, () => socket.close(() => resolve()))
      }),
  )

const attack = Effect.fnUntraced(function* (
  cluster: Cluster,
  attacker: SandboxId,
  victim: SandboxId,
) {
  const { address, network, node } = yield* find(cluster, victim)
  const listening = yield* Effect.forkChild(exec(victim, `perl -e '${listen}'`))
  yield* Effect.sleep("2 seconds")
  const [, gateway = ""] = (yield* out(attacker, "ip route show default")).split("via ")
  for (const to of [node, gateway.split(" ")[0] ?? ""]) {
    const forged = send(to, forge(network, address, "forged inside"))
    yield* exec(attacker, `perl -e '${forged}'`)
  }
  // The same packet from a machine outside comes through: it is no mistake of this test.
  yield* sendFromOutside(node, forge(network, address, "forged outside"))
  assert.deepStrictEqual((yield* Fiber.join(listening)).stdout.trim().split("\n"), [
    "listening",
    "forged outside",
  ])
})

const big = { image, limits: { memory: 64 * 1024 ** 2, cpus: 0.3, pids: 64 } }

/** What a hostile sandbox with a way out does to the swarm that runs it. */
export const forgerySuite = (check: Check, reaching: Driver) => {
  for (const [title, layer] of [
    ["forges no packet into another session's network", undefined],
    ["forges none where sandboxes may reach the nodes", reaching],
  ] as const) {
    check(
      title,
      (cluster) =>
        Effect.gen(function* () {
          const attacker = yield* create({ ...big, network: "bridge" })
          const victims = yield* Effect.forEach(
            [1, 2],
            () => create({ ...big, network: "internal" }),
            { concurrency: 2 },
          )
          yield* Effect.forEach(victims, (victim) => attack(cluster, attacker, victim), {
            concurrency: 2,
          })
        }),
      120_000,
      layer,
    )
  }

  const reach = (id: SandboxId, address: string, to: number) =>
    Effect.map(exec(id, `nc -w 5 ${address} ${to} </dev/null`), ({ exitCode }) => exitCode === 0)

  check("lets sandboxes reach the internet, and not the addresses of the nodes", (cluster) =>
    Effect.gen(function* () {
      const outside = yield* Effect.acquireRelease(
        Effect.promise(
          () =>
            new Promise<ReturnType<typeof createServer>>((resolve) => {
              const server = createServer((socket) => socket.end("outside"))
              server.listen(0, cluster.outside, () => resolve(server))
            }),
        ),
        (server) => Effect.sync(() => server.close()),
      )
      const bound = outside.address()
      assert.isObject(bound)
      if (bound === null || typeof bound === "string") return
      const id = yield* create({ network: "bridge" })
      assert.isTrue(yield* reach(id, cluster.outside, bound.port))
      const gateway = yield* out(id, "ip route | sed -n 's/^default via \\([^ ]*\\).*/\\1/p'")
      for (const { endpoint } of cluster.nodes) {
        assert.isFalse(yield* reach(id, new URL(endpoint).hostname, 2376), endpoint)
      }
      assert.isFalse(yield* reach(id, gateway, 7946))
      const bridges = yield* Effect.promise(async () => {
        const [node] = cluster.workers
        const { IPAM } = await node.engine.getNetwork("bridge").inspect()
        return IPAM?.Config?.flatMap(({ Gateway }) => Gateway ?? []) ?? []
      })
      for (const address of bridges) assert.isFalse(yield* reach(id, address, 7946), address)
      const metadata = yield* exec(id, "nc -w 5 169.254.169.254 80 </dev/null")
      assert.match(metadata.stderr, /unreachable/i)
      // Nothing inside may take that back.
      assert.notStrictEqual((yield* exec(id, "ip rule del pref 100 || ip rule flush")).exitCode, 0)
      const { caveats } = yield* Effect.flatMap(SandboxDriver, ({ capabilities }) => capabilities)
      assert.isEmpty(caveats.filter((caveat) => /forged/.test(caveat)))
    }),
  )

  check(
    "lets sandboxes reach the nodes when the operator allows it",
    (cluster) =>
      Effect.gen(function* () {
        const id = yield* create({ network: "bridge" })
        assert.isTrue(yield* reach(id, new URL(cluster.manager.endpoint).hostname, 2376))
      }),
    120_000,
    reaching,
  )
}
