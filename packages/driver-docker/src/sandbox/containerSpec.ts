import type { SandboxSpec } from "@cordon/core"
import { initPath } from "../container/initArchive.ts"
import type { ContainerSpec } from "../DockerEngine.ts"
import type { ImageInspect } from "../engine/schemas.ts"
import { cpusetLabel } from "../Labels.ts"
import type { Ulimits } from "../Ulimits.ts"
import { cpuEnvironment } from "./cpuSets.ts"

// Capabilities that package managers and ordinary builds need as root: changing owners, accessing
// other users' files, switching users, and signalling their processes. None of them gives access to
// the kernel or the network.
const capabilities = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETGID", "SETUID", "KILL"]

/**
 * For the host, gVisor's processes are threads: about two for each process, and 30 more. If the
 * host refuses a thread, the whole sandbox ends. So the init sets the real limit in gVisor's own
 * cgroup, and this higher limit on the host is the fallback in case root inside lifts it.
 */
const gvisorThreads = (pids: number) => 128 + 3 * pids

// The address at which clouds serve metadata and credentials. A container that itself has this
// address sends no packets to it, and none to other link-local addresses outside its own network.
const metadataAddress = "169.254.169.254"

const isRoot = (user: string) => ["", "root", "0"].includes(user.split(":")[0] ?? "")

/** The user and the working folder of commands: from the request, else from the image. */
export const identityOf = (spec: Pick<SandboxSpec, "user" | "workdir">, image: ImageInspect) => {
  const user = spec.user ?? image.Config?.User ?? ""
  const workingDir = image.Config?.WorkingDir ?? ""
  const ofImage = workingDir === "" || workingDir === "/" ? undefined : workingDir
  return {
    user,
    root: isRoot(user),
    // The engine makes a missing folder as root. Other users can work in `/tmp`.
    workdir: spec.workdir ?? ofImage ?? (isRoot(user) ? "/workspace" : "/tmp"),
  }
}

/** The specification of a sandbox's container: hardened and limited. No option weakens this. */
export const containerSpec = (options: {
  readonly spec: Omit<SandboxSpec, "name">
  readonly runtime: string
  readonly workdir: string
  readonly labels: Readonly<Record<string, string>>
  /** The name of its network, which need not exist yet; undefined without a network. */
  readonly network: string | undefined
  /** Bytes; unlimited if absent. */
  readonly disk?: number | undefined
  readonly ulimits?: Ulimits
  /**
   * The CPUs that it is pinned to. If absent, all of the engine's, and environment variables tell
   * programs how many to use.
   */
  readonly cpuset?: string | undefined
  /** Whether the network `bridge` also reaches link-local addresses. */
  readonly linkLocal?: boolean | undefined
}): ContainerSpec => {
  const { spec, runtime, workdir, labels, network, disk, ulimits = {}, cpuset } = options
  const shadowed = network !== undefined && spec.network === "bridge" && options.linkLocal !== true
  const { memory, cpus, pids } = spec.limits
  const gvisor = spec.runtime === "gvisor"
  return {
    Image: spec.image,
    // The same for all, because the hostname of a container made ahead can't be changed.
    Hostname: "sandbox",
    Entrypoint: [initPath],
    Cmd: gvisor ? [`--pids=${pids}`] : [],
    // The init runs as root, and runs each command as the command's user.
    User: "0",
    OpenStdin: true,
    // The input ends when the connection from before the start ends.
    StdinOnce: true,
    Env: Object.entries({ ...(cpuset === undefined ? cpuEnvironment(cpus) : {}), ...spec.env }).map(
      ([name, value]) => `${name}=${value}`,
    ),
    Labels: { ...labels, ...(cpuset === undefined ? {} : { [cpusetLabel]: cpuset }) },
    WorkingDir: workdir,
    Healthcheck: { Test: ["NONE"] },
    StopTimeout: 2,
    NetworkingConfig: shadowed
      ? { EndpointsConfig: { [network]: { IPAMConfig: { LinkLocalIPs: [metadataAddress] } } } }
      : undefined,
    HostConfig: {
      Runtime: runtime,
      NetworkMode: network ?? "none",
      // Engines before 26 forward DNS queries from internal networks to the host's resolver, so
      // code inside could leak data in names (CVE-2024-29018). No name server listens at this
      // address.
      Dns: spec.network === "internal" || spec.egress !== undefined ? ["127.0.0.1"] : undefined,
      Memory: memory,
      // Equal to the memory limit: no swap.
      MemorySwap: memory,
      NanoCpus: Math.round(cpus * 1e9),
      CpusetCpus: cpuset,
      PidsLimit: gvisor ? gvisorThreads(pids) : pids,
      StorageOpt: disk === undefined ? undefined : { size: String(disk) },
      Init: false,
      CapDrop: ["ALL"],
      CapAdd: capabilities,
      SecurityOpt: ["no-new-privileges"],
      IpcMode: "private",
      RestartPolicy: { Name: "no" },
      // Only attached programs read the init's output.
      LogConfig: { Type: "none", Config: {} },
      Ulimits: [
        // Core dumps would only fill the disk.
        { Name: "core", Soft: 0, Hard: 0 },
        ...Object.entries(ulimits).map(([Name, Hard]) => ({ Name, Soft: Hard, Hard })),
      ],
    },
  }
}
