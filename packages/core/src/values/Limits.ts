import { Effect, Option, Schema } from "effect"
import { InvalidLimits } from "../errors.ts"

/** What a sandbox may use at most. */
export const Limits = Schema.Struct({
  /** Memory in bytes, swap included. */
  memory: Schema.Int.annotate({ description: "bytes" }),
  /** CPU time in cores; 0.5 is half of one core's time. */
  cpus: Schema.Finite.annotate({ description: "cores" }),
  /** Processes and threads. */
  pids: Schema.Int.annotate({ description: "processes and threads" }),
  /** Disk space in bytes for what the sandbox writes beside its image; not limited where absent. */
  disk: Schema.optionalKey(Schema.Int.annotate({ description: "bytes" })),
})
export type Limits = typeof Limits.Type

/** 2 GiB of memory, 1 core, 256 processes, and no limit of disk space. */
export const defaultLimits: Limits = { memory: 2 * 1024 ** 3, cpus: 1, pids: 256 }

/** Limits as people write them; every part is optional. */
export const LimitsInput = Schema.Struct({
  /** Memory in bytes, swap included, or a size such as `512MiB`; the settings' where absent. */
  memory: Schema.optional(
    Schema.Union([Schema.Number, Schema.String]).annotate({
      description: 'memory: bytes, or a size such as "512MiB", "2GiB", "512m", "2g"',
    }),
  ),
  /** CPU time in cores; 0.5 is half of one core's time. The settings' where absent. */
  cpus: Schema.optional(Schema.Number.annotate({ description: "CPU cores, such as 0.5 or 2" })),
  /** Processes and threads; the settings' where absent. */
  pids: Schema.optional(Schema.Number.annotate({ description: "processes and threads" })),
  /**
   * Disk space for what the sandbox writes beside its image, in bytes or as a size; the settings' where
   * absent.
   */
  disk: Schema.optional(
    Schema.Union([Schema.Number, Schema.String]).annotate({
      description: 'disk space: bytes, or a size such as "2GiB"; enforced where the host can',
    }),
  ),
})
export type LimitsInput = typeof LimitsInput.Type

/** The most that a host can give; what is unknown is not checked. */
export interface HostCapacity {
  /** Bytes. */
  readonly memory?: number
  /** Cores. */
  readonly cpus?: number
  /** Processes and threads. */
  readonly pids?: number
  /** Bytes. */
  readonly disk?: number | undefined
}

// Below these a container can't even start its init and a shell.
const smallest = { memory: 16 * 1024 ** 2, cpus: 0.01, pids: 16, disk: 1024 ** 2 }

// No Linux kernel has more (PID_MAX_LIMIT).
const mostPids = 4 * 1024 ** 2

// "512m" and "2g" are Docker's forms (powers of 1024); KB, MB, GB are SI, KiB, MiB, GiB are IEC.
const units: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
  tib: 1024 ** 4,
}

/** Reads a size such as `2GiB`, `512m` or `1.5 GB` into whole bytes; none where it is not a size. */
export const parseMemory = (text: string): Option.Option<number> => {
  const match = /^(\d{1,15}(?:\.\d{1,9})?)\s*([a-z]{0,3})$/i.exec(text.trim())
  const factor = units[(match?.[2] ?? "?").toLowerCase()]
  if (match?.[1] === undefined || factor === undefined) return Option.none()
  const bytes = Math.floor(Number(match[1]) * factor)
  return Number.isSafeInteger(bytes) ? Option.some(bytes) : Option.none()
}

/** Renders bytes the way people write limits: `2 GiB`, `512 MiB`, `1000 B`. */
export const formatMemory = (bytes: number): string => {
  for (const [unit, size] of [
    ["GiB", 1024 ** 3],
    ["MiB", 1024 ** 2],
    ["KiB", 1024],
  ] as const) {
    if (bytes >= size) return `${Number((bytes / size).toFixed(2))} ${unit}`
  }
  return `${bytes} B`
}

/** Renders a limit with its unit: `2 GiB`, `0.5 cores`, `256 processes`. */
export const showLimit = (limit: keyof Limits, value: number): string => {
  switch (limit) {
    case "memory":
    case "disk":
      return formatMemory(value)
    case "cpus":
      return `${value} ${value === 1 ? "core" : "cores"}`
    case "pids":
      return `${value} processes`
  }
}

const within = (
  limit: keyof Limits,
  given: number,
  bounds: { readonly least: number; readonly most: number | undefined; readonly whole: boolean },
  format: (value: number) => string,
): Effect.Effect<number, InvalidLimits> => {
  const fail = (expected: string) =>
    Effect.fail(new InvalidLimits({ limit, given: String(given), expected }))
  if (!Number.isFinite(given)) return fail("a finite number")
  if (bounds.whole && !Number.isInteger(given)) return fail("a whole number")
  if (given < bounds.least) return fail(`at least ${format(bounds.least)}`)
  if (bounds.most !== undefined && given > bounds.most) {
    return fail(`at most ${format(bounds.most)}, which is what this host has`)
  }
  return Effect.succeed(given)
}

/** Reads a size that may be given in bytes or as people write it. */
const bytesOf = (
  limit: keyof Limits,
  given: number | string,
): Effect.Effect<number, InvalidLimits> => {
  const bytes = typeof given === "number" ? given : Option.getOrUndefined(parseMemory(given))
  const expected = 'bytes, or a size such as "512MiB" or "2GiB"'
  return bytes === undefined
    ? Effect.fail(new InvalidLimits({ limit, given: String(given), expected }))
    : Effect.succeed(bytes)
}

/**
 * Normalises limits: fills in defaults, reads human forms, and checks each against the smallest
 * usable value and what the host has.
 *
 * @returns limits in bytes, cores and processes
 */
export const resolveLimits = Effect.fnUntraced(function* (
  input: LimitsInput,
  defaults: Limits = defaultLimits,
  host: HostCapacity = {},
): Effect.fn.Return<Limits, InvalidLimits> {
  const memory = yield* bytesOf("memory", input.memory ?? defaults.memory)
  const disk = input.disk ?? defaults.disk
  return {
    memory: yield* within(
      "memory",
      memory,
      { least: smallest.memory, most: host.memory, whole: true },
      formatMemory,
    ),
    cpus: yield* within(
      "cpus",
      input.cpus ?? defaults.cpus,
      { least: smallest.cpus, most: host.cpus, whole: false },
      (n) => showLimit("cpus", n),
    ),
    pids: yield* within(
      "pids",
      input.pids ?? defaults.pids,
      { least: smallest.pids, most: Math.min(host.pids ?? mostPids, mostPids), whole: true },
      (n) => showLimit("pids", n),
    ),
    ...(disk === undefined
      ? {}
      : {
          disk: yield* within(
            "disk",
            yield* bytesOf("disk", disk),
            { least: smallest.disk, most: host.disk, whole: true },
            formatMemory,
          ),
        }),
  }
})
