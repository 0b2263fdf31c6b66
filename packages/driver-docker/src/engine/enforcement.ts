import { isPodman } from "./podman.ts"
import type { EngineInfo } from "./schemas.ts"

/**
 * Which limits of a container an engine enforces. Podman on cgroup v2 never tells of the limit of CPU
 * time: the files that it looks for are those of v1. Its runtimes refuse a container whose limit they
 * can't set, so that there it holds as the limit of memory does.
 */
export const enforcedBy = (
  info: EngineInfo,
): { readonly memory: boolean; readonly cpus: boolean; readonly pids: boolean } => {
  const memory = info.MemoryLimit === true
  return {
    memory,
    cpus: info.CpuCfsQuota === true || (memory && isPodman(info) && info.CgroupVersion === "2"),
    pids: info.PidsLimit === true,
  }
}

/** Why an engine enforces no limit at all, and what helps; undefined where it does, or where nobody knows. */
export const whyNoLimits = (info: EngineInfo): string | undefined => {
  if (info.CgroupDriver !== "none") return undefined
  return "it runs rootless and has no control groups, which only systemd gives to a user. Start it as a service of the user's systemd (systemctl --user start docker) on a host with cgroup v2"
}
