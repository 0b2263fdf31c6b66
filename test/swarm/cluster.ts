import { execFileSync, spawn } from "node:child_process"
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import Dockerode from "dockerode"
import { type Authority, makeAuthority } from "../support/certificates.ts"
import { noEngine, socketPath } from "../support/docker.ts"
import { needs } from "../support/skips.ts"

const run = (program: string, ...args: ReadonlyArray<string>) =>
  execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] })

const missing = () => {
  if (noEngine !== undefined) return noEngine
  if (process.platform !== "linux" || process.getuid?.() !== 0) {
    return needs("an engine of its own", "only root on Linux may start three")
  }
  for (const program of ["dockerd", "ip", "nsenter", "unshare", "openssl"]) {
    try {
      run("sh", "-c", `command -v ${program}`)
    } catch {
      return needs("an engine of its own", `${program} is not installed`)
    }
  }
  return undefined
}

/** Why no swarm can be made here; undefined where it can, and where CI says that it must. */
export const noSwarm = process.env["CORDON_TEST_SWARM"] === "required" ? undefined : missing()

/** One engine of the swarm: a process of its own, with a network and a host name of its own. */
export interface ClusterNode {
  readonly name: string
  readonly endpoint: string
  readonly engine: Dockerode
  /** Takes it off the network, or puts it back. */
  readonly cable: (plugged: boolean) => void
  /** Kills the engine, as a power cut would, but for its containers. */
  readonly kill: () => Promise<void>
  /** Starts an engine that was killed, and waits until it answers. */
  readonly restart: () => Promise<void>
}

export interface Cluster {
  readonly manager: ClusterNode
  readonly workers: readonly [ClusterNode, ClusterNode]
  readonly nodes: ReadonlyArray<ClusterNode>
  readonly tls: { readonly ca: string; readonly cert: string; readonly key: string }
  /** Who signed the certificates. */
  readonly authority: Authority
  /** This machine's own address on their network: that of no node. */
  readonly outside: string
  /**
   * Plugs the network namespace of a process into their network, under the name `swarm0`.
   *
   * @param host the last part of its address, above that of any node
   */
  readonly plug: (pid: number, host: number) => void
  readonly stop: () => Promise<void>
}

export const until = async <A>(
  what: string,
  seconds: number,
  look: () => Promise<A | undefined | false>,
): Promise<A> => {
  const deadline = Date.now() + seconds * 1000
  for (;;) {
    const found = await look().catch(() => undefined)
    if (found !== undefined && found !== false) return found
    if (Date.now() > deadline) throw new Error(`${what}: not within ${seconds} s`)
    await sleep(200)
  }
}

const alive = (pid: number) => {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))
  } catch {
    return false
  }
}

/** How the machine's own engine runs gVisor. */
const runscOfMachine = async () => {
  const { Runtimes } = await new Dockerode({ socketPath }).info()
  const { path, runtimeArgs } = Runtimes["runsc"]
  return { path, runtimeArgs }
}

/** Processes with a word in their command line, by a predicate on it. */
const processesOf = (folder: string) =>
  readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) return []
    try {
      const words = readFileSync(`/proc/${name}/cmdline`, "utf8")
      return words.includes(folder) ? [Number(name)] : []
    } catch {
      return []
    }
  })

const childrenOf = (parents: ReadonlyArray<number>) =>
  readdirSync("/proc").flatMap((name) => {
    if (!/^\d+$/.test(name)) return []
    try {
      const parent = /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${name}/status`, "utf8"))?.[1]
      return parents.includes(Number(parent)) ? [Number(name)] : []
    } catch {
      return []
    }
  })

const signal = (pids: ReadonlyArray<number>, name: NodeJS.Signals) => {
  for (const pid of pids) {
    try {
      process.kill(pid, name)
    } catch {
      // It has ended meanwhile.
    }
  }
}

/**
 * Three real engines joined by a bridge of their own, one of them the manager of a swarm. No engine
 * of the machine filters what passes that bridge, since it is in a network namespace of its own.
 *
 * @param images names of images that the nodes get from the machine's engine
 * @param options.gvisor whether the manager takes sandboxes, too, with gVisor
 */
export const startSwarm = async (
  images: ReadonlyArray<string>,
  { gvisor = false }: { readonly gvisor?: boolean } = {},
): Promise<Cluster> => {
  const tag = `cs${process.pid}`
  const net = `10.217.${process.pid % 250}`
  // Short, since paths of sockets must be.
  const folder = mkdtempSync(join(process.env["CORDON_CI_RUN"] ?? tmpdir(), "swarm-"))
  const authority = makeAuthority()
  const client = authority.client()
  const tls = { ca: authority.ca, cert: client.cert, key: client.key }
  const hub = `${tag}hub`
  const namespaces = [hub]
  const daemons: Array<number> = []
  const runtimes = gvisor ? { runsc: await runscOfMachine() } : undefined

  const stop = async () => {
    signal(daemons, "SIGTERM")
    await until("the engines' end", 60, async () => !daemons.some(alive)).catch(() => undefined)
    // What an engine that was killed has left: shims and, below them, containers.
    const left = processesOf(folder)
    signal([...childrenOf(left), ...left], "SIGKILL")
    await until("the containers' end", 20, async () => processesOf(folder).length === 0)
    const mounts = readFileSync("/proc/mounts", "utf8").split("\n")
    for (const mount of mounts.map((line) => line.split(" ")[1] ?? "").reverse()) {
      if (mount.startsWith(folder)) run("umount", "-l", mount)
    }
    for (const namespace of namespaces) run("ip", "netns", "delete", namespace)
    rmSync(folder, { recursive: true, force: true })
  }

  const startNode = async (index: number): Promise<ClusterNode> => {
    const name = `swarm-${index}`
    const namespace = `${tag}n${index}`
    const address = `${net}.${10 + index}`
    run("ip", "netns", "add", namespace)
    namespaces.push(namespace)
    run("ip", "-n", namespace, "link", "set", "lo", "up")
    const veth = ["link", "add", "eth0", "type", "veth", "peer", "name", `n${index}`, "netns", hub]
    run("ip", "-n", namespace, ...veth)
    run("ip", "-n", hub, "link", "set", `n${index}`, "master", "br0")
    run("ip", "-n", hub, "link", "set", `n${index}`, "up")
    run("ip", "-n", namespace, "addr", "add", `${address}/24`, "dev", "eth0")
    run("ip", "-n", namespace, "link", "set", "eth0", "up")

    const own = join(folder, String(index))
    mkdirSync(own)
    const server = authority.server([`IP:${address}`])
    for (const [file, pem] of Object.entries({
      ca: authority.ca,
      cert: server.cert,
      key: server.key,
    })) {
      writeFileSync(join(own, `${file}.pem`), pem, { mode: 0o600 })
    }
    const config = {
      hosts: [`unix://${own}/d.sock`, `tcp://${address}:2376`],
      tlsverify: true,
      tlscacert: `${own}/ca.pem`,
      tlscert: `${own}/cert.pem`,
      tlskey: `${own}/key.pem`,
      "data-root": `${own}/data`,
      "exec-root": `${own}/exec`,
      pidfile: `${own}/pid`,
      "no-new-privileges": true,
      "default-address-pools": [{ base: "172.31.0.0/16", size: 24 }],
      // That of the tests has no TLS.
      "insecure-registries": [`${net}.0/24`],
      ...(index === 1 && runtimes !== undefined ? { runtimes, "default-runtime": "runsc" } : {}),
    }
    writeFileSync(join(own, "daemon.json"), JSON.stringify(config))
    const engine = new Dockerode({ socketPath: `${own}/d.sock` })
    const launch = async () => {
      const log = openSync(join(own, "log"), "a")
      // Not `ip netns exec`, which mounts a /sys without the control groups.
      const daemon = spawn(
        "nsenter",
        [
          `--net=/run/netns/${namespace}`,
          "unshare",
          "--uts",
          "sh",
          "-c",
          `hostname ${name}; exec dockerd --config-file ${own}/daemon.json`,
        ],
        { stdio: ["ignore", log, log], detached: true },
      )
      closeSync(log)
      daemon.unref()
      const pid = daemon.pid ?? 0
      daemons.push(pid)
      await until(`engine ${name}`, 90, async () => {
        if (!alive(pid)) return true
        return (await engine.ping()) !== undefined
      })
      if (!alive(pid)) throw new Error(readFileSync(join(own, "log"), "utf8").slice(-2000))
      return pid
    }
    let pid = await launch()
    return {
      name,
      endpoint: `tcp://${address}:2376`,
      engine,
      cable: (plugged) => {
        run("ip", "-n", hub, "link", "set", `n${index}`, plugged ? "up" : "down")
      },
      kill: async () => {
        const containerd = processesOf(`${own}/exec/containerd/containerd.toml`)
        signal([pid, ...containerd], "SIGKILL")
        await until(`the end of ${name}`, 20, async () => ![pid, ...containerd].some(alive))
      },
      restart: async () => {
        // Another process may have one of these numbers by now.
        for (const file of ["pid", "exec/containerd/containerd.pid"]) {
          rmSync(join(own, file), { force: true })
        }
        pid = await launch()
      },
    }
  }

  try {
    run("ip", "netns", "add", hub)
    run("ip", "-n", hub, "link", "set", "lo", "up")
    run("ip", "-n", hub, "link", "add", "br0", "type", "bridge")
    run("ip", "-n", hub, "link", "set", "br0", "up")
    run("ip", "link", "add", `${tag}h`, "type", "veth", "peer", "name", "host", "netns", hub)
    run("ip", "addr", "add", `${net}.1/24`, "dev", `${tag}h`)
    run("ip", "link", "set", `${tag}h`, "up")
    run("ip", "-n", hub, "link", "set", "host", "master", "br0")
    run("ip", "-n", hub, "link", "set", "host", "up")

    const [manager, one, two] = await Promise.all([startNode(1), startNode(2), startNode(3)])
    const nodes = [manager, one, two]
    const tar = join(folder, "images.tar")
    const query = images.map((image) => `names=${encodeURIComponent(image)}`).join("&")
    const curl = ["-sSf", "--max-time", "120", "--unix-socket"]
    run("curl", ...curl, socketPath, `http://engine/images/get?${query}`, "-o", tar)
    for (const { name } of nodes) {
      const socket = join(folder, name.replace("swarm-", ""), "d.sock")
      run("curl", ...curl, socket, "-T", tar, "-X", "POST", "http://engine/images/load?quiet=1")
    }
    const listen = (node: ClusterNode) => new URL(node.endpoint).hostname
    const address = (node: ClusterNode) => ({
      ListenAddr: `${listen(node)}:2377`,
      AdvertiseAddr: `${listen(node)}:2377`,
    })
    await manager.engine.swarmInit(address(manager))
    const { JoinTokens } = await manager.engine.swarmInspect()
    for (const worker of [one, two]) {
      await worker.engine.swarmJoin({
        ...address(worker),
        RemoteAddrs: [`${listen(manager)}:2377`],
        JoinToken: JoinTokens.Worker,
      })
    }
    const plug = (pid: number, host: number) => {
      const peer = ["peer", "name", "swarm0", "netns", String(pid)]
      run("ip", "-n", hub, "link", "add", `p${host}`, "type", "veth", ...peer)
      run("ip", "-n", hub, "link", "set", `p${host}`, "master", "br0")
      run("ip", "-n", hub, "link", "set", `p${host}`, "up")
      const inside = ["nsenter", `--net=/proc/${pid}/ns/net`, "ip"] as const
      run(...inside, "addr", "add", `${net}.${host}/24`, "dev", "swarm0")
      run(...inside, "link", "set", "swarm0", "up")
    }
    const cluster: Cluster = {
      manager,
      workers: [one, two],
      nodes,
      tls,
      authority,
      outside: `${net}.1`,
      plug,
      stop,
    }
    const label = (runtime: string) => (spec: NodeSpec) => ({
      ...spec,
      Labels: { "dev.cordon.runtime": runtime },
    })
    for (const { name } of cluster.workers) await changeNode(manager, name, label("runc"))
    if (gvisor) await changeNode(manager, manager.name, label("gvisor"))
    return cluster
  } catch (error) {
    await stop().catch(() => undefined)
    throw error
  }
}

interface NodeSpec {
  readonly Role: string
  readonly Availability: string
  readonly Labels?: Readonly<Record<string, string>>
}
interface NodeState {
  readonly ID: string
  readonly Version: { readonly Index: number }
  readonly Spec: NodeSpec
  readonly Description: { readonly Hostname: string }
  readonly Status: { readonly State: string }
  readonly ManagerStatus?: { readonly Leader?: boolean; readonly Reachability: string }
}

/** What a manager says about the nodes, by host name. */
export const nodesOf = async (manager: ClusterNode): Promise<Map<string, NodeState>> => {
  const nodes: ReadonlyArray<NodeState> = await manager.engine.listNodes()
  return new Map(nodes.map((node) => [node.Description.Hostname, node]))
}

/** Changes a node's specification: its labels, its availability, its role. */
export const changeNode = (
  manager: ClusterNode,
  name: string,
  change: (spec: NodeSpec) => NodeSpec,
) =>
  until(`a change of ${name}`, 20, async () => {
    const node = (await nodesOf(manager)).get(name)
    if (node === undefined) return undefined
    await manager.engine
      .getNode(node.ID)
      .update({ version: String(node.Version.Index), ...change(node.Spec) })
    return true
  })
