import type { SandboxSpec } from "@cordon/core"
import { initPath } from "../container/initArchive.ts"
import type { ContainerSpec } from "../DockerEngine.ts"
import type { ImageInspect } from "../engine/schemas.ts"
import { cpusetLabel } from "../Labels.ts"
import type { Ulimits } from "../Ulimits.ts"
import { cpuEnvironment } from "./cpuSets.ts"

// What package managers and ordinary builds need as root: owning, reading and dropping to other
// users' files, and signalling what runs as them. Nothing that reaches the kernel or the network.
const capabilities = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "SETGID", "SETUID", "KILL"]

/**
 * gVisor's processes are threads of its own to the host, which sees two or so for each and 30
 * besides, and whose refusal ends the whole sandbox. So the limit proper is set by the init in gVisor's
 * own cgroup, which root inside may lift, and the host's is where that no longer helps.
 */
const gvisorThreads = (pids: number) => 128 + 3 * pids

// Where clouds serve metadata and credentials. Who has the address itself sends nothing there, and
// nothing to any other link-local one beyond its own network.
const metadataAddress = "169.254.169.254"

const isRoot = (user: string) => ["", "root", "0"].includes(user.split(":")[0] ?? "")

/** Whom commands run as, and where: what was asked for, else what the image says. */
export const identityOf = (spec: Pick<SandboxSpec, "user" | "workdir">, image: ImageInspect) => {
  const user = spec.user ?? image.Config?.User ?? ""
  const workingDir = image.Config?.WorkingDir ?? ""
  const ofImage = workingDir === "" || workingDir === "/" ? undefined : workingDir
  return {
    user,
    root: isRoot(user),
    // The engine makes a missing folder as root: one for everybody is where others can work.
    workdir: spec.workdir ?? ofImage ?? (isRoot(user) ? "/workspace" : "/tmp"),
  }
}

/** A sandbox's container: hardened, limited, and without any way to ask for less of either. */
export const containerSpec = (options: {
  readonly spec: Omit<SandboxSpec, "name">
  readonly runtime: string
  readonly workdir: string
  readonly labels: Readonly<Record<string, string>>
  /** The name of its network, which need not be there yet; none where it has no network. */
  readonly network: string | undefined
  /** Bytes; not limited where absent. */
  readonly disk?: number | undefined
  readonly ulimits?: Ulimits
  /** The CPUs that it runs on; all of the engine's where absent, and variables tell programs how many it may use. */
  readonly cpuset?: string | undefined
  /** Whether a way out also leads to link-local addresses. */
  readonly linkLocal?: boolean | undefined
}): ContainerSpec => {
  const { spec, runtime, workdir, labels, network, disk, ulimits = {}, cpuset } = options
  const shadowed = network !== undefined && spec.network === "bridge" && options.linkLocal !== true
  const { memory, cpus, pids } = spec.limits
  const gvisor = spec.runtime === "gvisor"
  return {
    Image: spec.image,
    // The same for all: what was made ahead can't be told its name any more.
    Hostname: "sandbox",
    Entrypoint: [initPath],
    Cmd: gvisor ? [`--pids=${pids}`] : [],
    // The init's own user: it runs each command as the one that the command is to have.
    User: "0",
    OpenStdin: true,
    // The end of the connection that was there before the start is the end of its input.
    StdinOnce: true,
    Env: Object.entries({ ...(cpuset === undefined ? cpuEnvironment(cpus) : {}), ...spec.env }).map(
      ([name, value]) => `${name}=${value}`,
    ),
    Labels: { ...labels, ...(cpuset === undefined ? {} : { [cpusetLabel]: cpuset }) },
    WorkingDir: workdir,
    Healthcheck: { Test: ["NONE"] },
    StopTimeout: 2,
    ...(shadowed
      ? {
          NetworkingConfig: {
            EndpointsConfig: { [network]: { IPAMConfig: { LinkLocalIPs: [metadataAddress] } } },
          },
        }
      : {}),
    HostConfig: {
      Runtime: runtime,
      NetworkMode: network ?? "none",
      // Engines before 26 pass the lookups of internal networks on to the host's own resolver, a way
      // out for whoever encodes data in names (CVE-2024-29018). Nobody answers at this one.
      ...(spec.network === "internal" || spec.egress !== undefined ? { Dns: ["127.0.0.1"] } : {}),
      Memory: memory,
      // Equal to memory: none of it may be swap.
      MemorySwap: memory,
      NanoCpus: Math.round(cpus * 1e9),
      ...(cpuset === undefined ? {} : { CpusetCpus: cpuset }),
      PidsLimit: gvisor ? gvisorThreads(pids) : pids,
      ...(disk === undefined ? {} : { StorageOpt: { size: String(disk) } }),
      Init: false,
      CapDrop: ["ALL"],
      CapAdd: capabilities,
      SecurityOpt: ["no-new-privileges"],
      IpcMode: "private",
      RestartPolicy: { Name: "no" },
      // What the init writes is for who is attached to it.
      LogConfig: { Type: "none", Config: {} },
      Ulimits: [
        // Core dumps of crashing processes would only fill the disk.
        { Name: "core", Soft: 0, Hard: 0 },
        ...Object.entries(ulimits).map(([Name, Hard]) => ({ Name, Soft: Hard, Hard })),
      ],
    },
  }
}
