import type { FileError, SandboxStats } from "@cordon/core"
import { DateTime, Effect, Stream } from "effect"
import type { ContainerFiles } from "./files.ts"
import type { Target } from "./Target.ts"

const cgroup = "/sys/fs/cgroup"

// Paths by the name of the statistic, for cgroups v2 and for v1, where each controller has its own
// folder.
const paths = {
  network: "/proc/net/dev",
  memory: `${cgroup}/memory.current`,
  memoryParts: `${cgroup}/memory.stat`,
  cpu: `${cgroup}/cpu.stat`,
  pids: `${cgroup}/pids.current`,
  disk: `${cgroup}/io.stat`,
  memoryV1: `${cgroup}/memory/memory.usage_in_bytes`,
  memoryPartsV1: `${cgroup}/memory/memory.stat`,
  cpuV1: `${cgroup}/cpuacct/cpuacct.usage`,
  pidsV1: `${cgroup}/pids/pids.current`,
  diskV1: `${cgroup}/blkio/blkio.throttle.io_service_bytes_recursive`,
} as const

/** A number from the kernel, if it is a safe integer. */
const numberOf = (text: string | undefined): number | undefined => {
  if (text === undefined || !/^\d{1,16}$/.test(text.trim())) return undefined
  const number = Number(text)
  return Number.isSafeInteger(number) ? number : undefined
}

/** The number of a name in a file with one name and number per line. */
const named = (text: string | undefined, name: string): number | undefined =>
  numberOf(new RegExp(`^${name} (\\d+)$`, "m").exec(text ?? "")?.[1])

/** All numbers of a file that an expression finds, added up. */
const sumOf = (text: string, number: RegExp): number | undefined =>
  [...text.matchAll(number)].reduce<number | undefined>((sum, [, found]) => {
    const more = numberOf(found)
    return sum === undefined || more === undefined ? undefined : sum + more
  }, 0)

const scaled = (number: number | undefined, divisor: number) =>
  number === undefined ? undefined : number / divisor

const memoryOf = (used: number | undefined, idleFiles: number | undefined) =>
  used === undefined ? undefined : Math.max(0, used - (idleFiles ?? 0))

const diskOf = (text: string | undefined, read: RegExp, write: RegExp) => {
  if (text === undefined) return undefined
  const [from, to] = [sumOf(text, read), sumOf(text, write)]
  return from === undefined || to === undefined ? undefined : { read: from, written: to }
}

/** Cgroups v1 list a disk only after its first use, and never count deferred writes. */
const diskOfV1 = (text: string | undefined) =>
  text?.startsWith("Total") === true
    ? undefined
    : diskOf(text, /^\d+:\d+ Read (\d+)$/gm, /^\d+:\d+ Write (\d+)$/gm)

const networkOf = (text: string | undefined): SandboxStats["network"] => {
  if (text === undefined) return undefined
  let [received, sent] = [0, 0]
  for (const [, name, numbers = ""] of text.matchAll(/^ *([^\s:]+):(.*)$/gm)) {
    const fields = numbers.trim().split(/ +/)
    const [more, less] = [numberOf(fields[0]), numberOf(fields[8])]
    if (more === undefined || less === undefined) return undefined
    if (name === "lo") continue
    received += more
    sent += less
  }
  return { received, sent }
}

/**
 * Reads the statistics from the kernel's files. Code inside can't write to these files, but their
 * content is not trusted either.
 */
export const statsOf = (files: ReadonlyMap<string, string>): Omit<SandboxStats, "readAt"> => {
  const file = (name: keyof typeof paths) => files.get(paths[name])
  return {
    cpuTime: scaled(named(file("cpu"), "usage_usec"), 1e3) ?? scaled(numberOf(file("cpuV1")), 1e6),
    memory:
      memoryOf(numberOf(file("memory")), named(file("memoryParts"), "inactive_file")) ??
      memoryOf(numberOf(file("memoryV1")), named(file("memoryPartsV1"), "total_inactive_file")),
    pids: numberOf(file("pids")) ?? numberOf(file("pidsV1")),
    disk: diskOf(file("disk"), /\brbytes=(\d+)/g, /\bwbytes=(\d+)/g) ?? diskOfV1(file("diskV1")),
    network: networkOf(file("network")),
  }
}

/** Statistics of sandboxes, from the kernel files that they see. */
export const makeContainerStats =
  ({ gather }: ContainerFiles) =>
  (target: Target): Effect.Effect<SandboxStats, FileError> =>
    Effect.gen(function* () {
      const { network, ...others } = paths
      const wanted = [network, ...Object.values(others)] as const
      const found = yield* gather(target, wanted).pipe(
        Stream.take(wanted.length),
        Stream.runCollect,
      )
      const readAt = DateTime.toDate(yield* DateTime.now)
      const decoder = new TextDecoder()
      const files = new Map(found.map(({ path, content }) => [path, decoder.decode(content)]))
      return { readAt, ...statsOf(files) }
    })
