/**
 * Checks on an engine's description of itself and of its host. They are pure, so that tests can use
 * any answer.
 */
import type { DriverCapabilities } from "@cordon/core"
import { isPodman, type schemas } from "@cordon/driver-docker/engine"
import type { Check } from "./report.ts"

type EngineInfo = schemas.EngineInfo
type EngineVersion = schemas.EngineVersion

const options = ({ SecurityOptions }: EngineInfo): ReadonlyArray<string> => SecurityOptions ?? []
const has = (info: EngineInfo, name: string) =>
  options(info).some((option) => option === `name=${name}` || option.startsWith(`name=${name},`))

/** Whether the engine itself runs without root, as an ordinary user. */
export const isRootless = (info: EngineInfo): boolean =>
  has(info, "rootless") || info.Rootless === true

/** The default runtime. */
export const runtimeOf = (info: EngineInfo) => info.DefaultRuntime || "runc"

/** The image store: the engine's own graph drivers, or a snapshotter of containerd. */
export const storeOf = ({ Driver, DriverStatus }: EngineInfo): string => {
  const containerd = (DriverStatus ?? []).some(([name]) => name === "driver-type")
  return `${Driver || "unknown"}, ${containerd ? "containerd's image store" : "the engine's own image store"}`
}

const engineCheck = (version: EngineVersion, info: EngineInfo): Check => ({
  name: "engine",
  status: "ok",
  detail: `${isPodman(info) ? "Podman " : ""}version ${version.Version}, API ${version.ApiVersion}, ${version.Os}/${version.Arch}${isRootless(info) ? ", rootless" : ""}; containers run with ${runtimeOf(info)}`,
})

/** The limits that the driver relies on. */
export type Enforced = Pick<DriverCapabilities["enforced"], "memory" | "cpus" | "pids">

const controllers = { memory: "memory", cpus: "cpu", pids: "pids" } as const
const limits = ["memory", "cpus", "pids"] as const

const service = (info: EngineInfo) => (isPodman(info) ? "podman.socket" : "docker")

/** Advice if limits are not enforced. It depends on who may delegate control groups. */
export const limitMend = (info: EngineInfo, enforced: Enforced): string | undefined => {
  const cgroup = info.CgroupVersion ?? "1"
  if (isRootless(info) && cgroup === "1") {
    return "A rootless engine has no limits with cgroup v1: boot the host with systemd.unified_cgroup_hierarchy=1."
  }
  if (isRootless(info) && info.CgroupDriver !== "systemd") {
    return `Start it from a systemd session of its user, which gives it control groups of its own: loginctl enable-linger USER, then, as that user, systemctl --user restart ${service(info)}. Without systemd a rootless engine can't enforce limits.`
  }
  if (isRootless(info)) {
    const lacking = limits.filter((limit) => !enforced[limit]).map((limit) => controllers[limit])
    return `Have systemd hand ${lacking.join(", ") || "the controllers"} on to users: "[Service]", "Delegate=cpu cpuset io memory pids" in /etc/systemd/system/user@.service.d/delegate.conf, then systemctl daemon-reload, and log in again.`
  }
  return cgroup === "2"
    ? "See that the controllers are in cgroup.subtree_control of the group that the engine is in, up to /sys/fs/cgroup: an engine in a container needs a cgroup namespace of its own, mounted read-write."
    : undefined
}

const cgroupCheck = (info: EngineInfo, enforced: Enforced): Check => {
  const name = "cgroups"
  const without = limits.filter((limit) => !enforced[limit])
  const driver =
    info.CgroupDriver === "none"
      ? ", which the engine does not use"
      : info.CgroupDriver
        ? ` through ${info.CgroupDriver}`
        : ""
  const detail = `version ${info.CgroupVersion ?? "1"}${driver}`
  if (without.length === 0) return { name, status: "ok", detail }
  const cause =
    isRootless(info) && info.CgroupDriver !== "systemd"
      ? "the engine is rootless and was not started by systemd"
      : "the controllers are not there for the engine"
  return {
    name,
    status: "failed",
    detail: `${detail}: limits of ${without.join(", ")} are not enforced, since ${cause}`,
    mend:
      limitMend(info, enforced) ??
      "Mount the controllers, or boot with cgroup_enable=memory swapaccount=1; look for cgroups in the engine's log.",
  }
}

const storeCheck = (info: EngineInfo): Check =>
  info.Driver === "vfs"
    ? {
        name: "image store",
        status: "warning",
        detail: `${storeOf(info)}: each sandbox is a full copy of its image`,
        mend: "Use overlay2 (overlay with fuse-overlayfs where the engine is rootless on an older kernel).",
      }
    : { name: "image store", status: "ok", detail: storeOf(info) }

const seccompCheck = (info: EngineInfo): Check => {
  const name = "seccomp"
  const option = options(info).find((option) => option.startsWith("name=seccomp"))
  const [, profile] = /profile=(.*)$/.exec(option ?? "") ?? []
  if (option === undefined || profile === "unconfined") {
    return {
      name,
      status: "failed",
      detail: "sandboxes may make any system call",
      mend: 'Remove "seccomp-profile" from the engine\'s daemon.json, or enable CONFIG_SECCOMP_FILTER in its kernel.',
    }
  }
  return { name, status: "ok", detail: `profile ${profile ?? "default"}` }
}

const onOff = (is: boolean, on: string, off: string) => (is ? on : off)

const hardeningCheck = (info: EngineInfo): Check => ({
  name: "hardening",
  status: "ok",
  detail: [
    onOff(has(info, "apparmor"), "AppArmor confines sandboxes", "no AppArmor"),
    onOff(has(info, "selinux"), "SELinux does", ""),
    onOff(
      has(info, "userns") || isRootless(info),
      "root inside is nobody on the host (user namespaces)",
      "root inside is the host's root, with seven capabilities (no user namespaces)",
    ),
  ]
    .filter((part) => part !== "")
    .join("; "),
})

/** All checks on the engine's own description. */
export const hostChecks = (
  version: EngineVersion,
  info: EngineInfo,
  enforced: Enforced,
): ReadonlyArray<Check> => [
  engineCheck(version, info),
  cgroupCheck(info, enforced),
  storeCheck(info),
  seccompCheck(info),
  hardeningCheck(info),
]
