import { readFile, statfs } from "node:fs/promises"
import { hostname, release } from "node:os"
import type { HostCapacity } from "@cordon/core"
import { Effect, Option } from "effect"
import type { EngineInfo } from "./schemas.ts"

/**
 * The default limit of processes and threads on a Linux host: the smaller of the defaults of
 * pid_max and threads-max.
 */
export const defaultPids = (host: { readonly cpus: number; readonly memory: number }): number =>
  Math.min(Math.max(32_768, 1024 * host.cpus), Math.floor(host.memory / (128 * 1024)))

/** Whether an engine runs on this machine, so that its files and settings can be read here. */
const isHere = ({ Name, KernelVersion }: EngineInfo) =>
  process.platform === "linux" && Name === hostname() && KernelVersion === release()

const numberIn = (path: string) =>
  Effect.tryPromise(() => readFile(path, "utf8")).pipe(
    Effect.map(Number),
    Effect.filterOrFail((value) => value > 0),
  )

const pidsHere = Effect.map(
  Effect.all([numberIn("/proc/sys/kernel/pid_max"), numberIn("/proc/sys/kernel/threads-max")]),
  (most) => Math.min(...most),
)

const sizeOf = (folder: string) =>
  Effect.map(
    Effect.tryPromise(() => statfs(folder)),
    ({ blocks, bsize }) => blocks * bsize,
  )

/**
 * The most that one sandbox on an engine can get. The engine reports its cores and memory. Other
 * limits are read from this machine if the engine runs here; elsewhere the defaults of Linux are
 * assumed.
 */
export const capacityOfHost = Effect.fnUntraced(function* (
  info: EngineInfo,
): Effect.fn.Return<HostCapacity> {
  const { NCPU: cpus, MemTotal: memory, DockerRootDir } = info
  const here = isHere(info)
  const pids = here ? yield* Effect.option(pidsHere) : Option.none()
  const disk = here && DockerRootDir ? yield* Effect.option(sizeOf(DockerRootDir)) : Option.none()
  return {
    cpus,
    memory,
    pids: Option.getOrElse(pids, () => defaultPids({ cpus, memory })),
    disk: Option.getOrUndefined(disk),
  }
})
