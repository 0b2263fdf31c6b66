import Dockerode from "dockerode"
import { GenericContainer, type StartedTestContainer, Wait } from "testcontainers"
import { type Authority, type Certificate, makeAuthority } from "./certificates.ts"
import { noEngine, socketPath } from "./docker.ts"
import { startFaultProxy } from "./faultProxy.ts"
import { needs } from "./skips.ts"

/** The images that hold an engine: Debian 12's, and the newest that Debian has. */
const imageNames = {
  oldest: "CORDON_TEST_ENGINE_IMAGE",
  newest: "CORDON_TEST_NEWER_ENGINE_IMAGE",
} as const

const missing = (which: keyof typeof imageNames) =>
  process.env["CORDON_TEST_ENGINES"] === "required"
    ? undefined
    : (noEngine ??
      (process.env[imageNames[which]] === undefined
        ? needs("an image", `${imageNames[which]} is not set, as CI does; it holds a Docker Engine`)
        : undefined))

/**
 * Why tests that need a second engine can't run here; undefined where they can. Where CI says that
 * there is an image for it they run in any case, and fail.
 */
export const noEngineContainers = missing("oldest")
/** As `noEngineContainers`, of the newest engine that Debian has. */
export const noNewerEngines = missing("newest")

// All that Engine 20.10 knows but SYS_RESOURCE, which a privileged container would need too.
const capabilities =
  "AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW SETFCAP SETGID SETPCAP SETUID SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_TIME SYS_TTY_CONFIG SYSLOG WAKE_ALARM".split(
    " ",
  )
const port = 2376
const ownerLabel = "dev.cordon.test.owner"

class EngineContainer extends GenericContainer {
  constructor(name: string) {
    super(name)
    this.hostConfig.DeviceCgroupRules = ["a *:* rwm"]
  }

  /** Who reaches the engine is root on this machine: it is published to this machine only. */
  publish() {
    this.withExposedPorts(port)
    this.hostConfig.PortBindings = { [`${port}/tcp`]: [{ HostIp: "127.0.0.1", HostPort: "0" }] }
    return this
  }
}

/** A Docker Engine of its own, in a container. */
export interface StartedEngine {
  readonly port: number
  readonly container: StartedTestContainer
  /** Certificates that reach it; undefined on plain TCP. */
  readonly tls: (Certificate & { readonly ca: string }) | undefined
  /** Who signed them. */
  readonly authority: Authority
  /** What the test made, as the engine itself sees it. */
  readonly client: Dockerode
  /** Where it listens without the published port's proxy, on 2376. Its certificate is for `localhost`. */
  readonly address: string
  /** This machine, as the engine and its sandboxes reach it. */
  readonly machine: string
  /** The registry of the tests, as this engine reaches it: `host:port`. */
  readonly registry: string | undefined
  readonly stop: () => Promise<void>
}

const local = new Dockerode({ socketPath })

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

/** Whether an engine's refusal says that somebody else removes the container, or has removed it. */
const isBeingRemoved = (error: unknown) =>
  typeof error === "object" &&
  error !== null &&
  "statusCode" in error &&
  (error.statusCode === 404 || error.statusCode === 409)

/** Removes what killed test processes left behind. Another test process may remove it at the same time. */
const removeAbandoned = async () => {
  const filters = { label: [ownerLabel] }
  for (const { Id, Labels } of await local.listContainers({ all: true, filters })) {
    if (isAlive(Number(Labels[ownerLabel]))) continue
    await local
      .getContainer(Id)
      .remove({ force: true, v: true })
      .catch((error) => {
        if (!isBeingRemoved(error)) throw error
      })
  }
}

/** Copies an image of this machine's engine to another engine. */
export const copyImage = async (name: string, client: Dockerode) => {
  const load = await client.loadImage(await local.getImage(name).get())
  await new Promise((resolve, reject) => load.on("end", resolve).on("error", reject).resume())
}

/** A container's address, and the bridge's end of this machine, which is what a container sees of it. */
const placeOf = async (containerId: string) => {
  const { NetworkSettings } = await local.getContainer(containerId).inspect()
  const { Gateway = "", IPAddress = "" } = NetworkSettings.Networks["bridge"] ?? {}
  return { machine: Gateway, address: IPAddress }
}

/** The registry listens on this machine's loopback, where no container reaches it. */
export const forwardRegistry = async (gateway: string) => {
  const [host, port] = (process.env["CORDON_TEST_REGISTRY"] ?? "").split(":")
  if (host === undefined || port === undefined) return undefined
  const proxy = await startFaultProxy({ host, port: Number(port) }, gateway)
  return { address: `${gateway}:${proxy.port}`, close: proxy.close }
}

/** Starts an engine that has the test image: on plain TCP, or with mutual TLS. */
export const startEngine = async (options: {
  readonly tls: boolean
  /** Debian 12's where absent. */
  readonly engine?: keyof typeof imageNames
  readonly args?: ReadonlyArray<string>
  /** Images that it has beside the test image. */
  readonly images?: ReadonlyArray<string>
  /** Who signs its certificate, and that of its clients; one of its own where absent. */
  readonly authority?: Authority
  /** What its certificate is for, beside `localhost`: `IP:10.0.0.1`. */
  readonly names?: ReadonlyArray<string>
  /** A folder of this machine in which it serves a local socket too, `docker.sock`. */
  readonly socketFolder?: string
}): Promise<StartedEngine> => {
  const image = process.env[imageNames[options.engine ?? "oldest"]]
  if (image === undefined) throw new Error("There is no image with an engine")
  await removeAbandoned()
  const authority = options.authority ?? makeAuthority()
  const names = options.names ?? []
  const server = authority.server(["DNS:localhost", "IP:127.0.0.1", ...names])
  const tls = options.tls ? { ca: authority.ca, ...authority.client() } : undefined
  const files = { tlscacert: authority.ca, tlscert: server.cert, tlskey: server.key }
  const { socketFolder } = options
  const container = await new EngineContainer(image)
    .publish()
    .withAddedCapabilities(...capabilities)
    .withSecurityOpt("seccomp=unconfined", "apparmor=unconfined")
    .withLabels({ [ownerLabel]: String(process.pid) })
    .withBindMounts(
      socketFolder === undefined ? [] : [{ source: socketFolder, target: "/run/cordon" }],
    )
    .withCopyContentToContainer(
      Object.entries(files).map(([name, content]) => ({ content, target: `/tls/${name}.pem` })),
    )
    .withCommand([
      ...["-H", `tcp://0.0.0.0:${port}`],
      ...(socketFolder === undefined ? [] : ["-H", "unix:///run/cordon/docker.sock"]),
      ...(options.tls
        ? ["--tlsverify", ...Object.keys(files).map((name) => `--${name}=/tls/${name}.pem`)]
        : ["--tls=false"]),
      // The registry of the tests has no TLS; only loopback would be trusted without being named.
      "--insecure-registry=172.16.0.0/12",
      ...(options.args ?? []),
    ])
    .withWaitStrategy(Wait.forLogMessage(/API listen on \[::\]/))
    .withStartupTimeout(60_000)
    .start()
  const mapped = container.getMappedPort(port)
  const client = new Dockerode({
    host: "127.0.0.1",
    port: mapped,
    protocol: options.tls ? "https" : "http",
    ...tls,
  })
  for (const name of [
    process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04",
    ...(options.images ?? []),
    ...(process.env["CORDON_TEST_NOSHELL_IMAGE"] ?? "").split(" ").filter((name) => name !== ""),
  ]) {
    await copyImage(name, client)
  }
  const { machine, address } = await placeOf(container.getId())
  const registry = await forwardRegistry(machine)
  return {
    port: mapped,
    container,
    tls,
    authority,
    client,
    machine,
    address,
    registry: registry?.address,
    stop: async () => {
      await registry?.close()
      await container.stop({ timeout: 0 })
    },
  }
}
