import type { DriverCapabilities } from "@cordon/core"
import { isPodman } from "./podman.ts"
import type { EngineInfo } from "./schemas.ts"

/**
 * Which limits of a container an engine enforces. Podman on cgroup v2 never reports the CPU limit,
 * because it looks for the files of v1. Its runtimes refuse a container whose limits they can't
 * set, so the CPU limit is enforced if the memory limit is.
 */
export const enforcedBy = (
  info: EngineInfo,
): Pick<DriverCapabilities["enforced"], "memory" | "cpus" | "pids"> => {
  const memory = info.MemoryLimit === true
  return {
    memory,
    cpus: info.CpuCfsQuota === true || (memory && isPodman(info) && info.CgroupVersion === "2"),
    pids: info.PidsLimit === true,
  }
}

/**
 * Why an engine enforces no limit at all, and what helps. Undefined if it enforces some, or if the
 * reason is unknown.
 */
export const whyNoLimits = (info: EngineInfo): string | undefined => {
  if (info.CgroupDriver !== "none") return undefined
  return "it runs rootless and has no control groups, which only systemd gives to a user. Start it as a service of the user's systemd (systemctl --user start docker) on a host with cgroup v2"
}
