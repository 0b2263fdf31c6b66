import { readFile, statfs } from "node:fs/promises"
import { hostname, release } from "node:os"
import type { HostCapacity } from "@cordon/core"
import { Effect, Option } from "effect"
import type { EngineInfo } from "./schemas.ts"

/**
 * The processes and threads that Linux allows on a host where nobody set it: the lesser of its defaults
 * of pid_max and threads-max.
 */
export const defaultPids = (host: { readonly cpus: number; readonly memory: number }): number =>
  Math.min(Math.max(32_768, 1024 * host.cpus), Math.floor(host.memory / (128 * 1024)))

/** Whether an engine runs on this very machine, so that its files and settings can be looked at. */
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
 * The most that one sandbox on an engine can be given. An engine tells its cores and memory. What else
 * there is it does not tell: on this machine we look, elsewhere we know what Linux does by default.
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
    ...(Option.isSome(disk) ? { disk: disk.value } : {}),
  }
})
