import type { ExecResult, Limits } from "@cordon/core"
import { Effect } from "effect"
import { probe } from "./probe.ts"
import { within } from "./progress.ts"
import type { Check, Enforcement } from "./report.ts"

interface Trial {
  readonly limit: "memory" | "cpus" | "pids"
  readonly limits: Partial<Limits>
  /** A script that exceeds the limit. */
  readonly script: string
  readonly held: (result: ExecResult) => boolean
  readonly enforced: string
  readonly mend: string
}

const trials: ReadonlyArray<Trial> = [
  {
    limit: "memory",
    limits: { memory: 32 * 1024 ** 2 },
    script: "head -c 100000000 /dev/zero | tail -n 1 >/dev/null; exit $?",
    held: ({ exitCode, oomKilled }) => exitCode !== 0 && oomKilled,
    enforced: "a process that went past 32 MiB was killed",
    mend: "Mount the memory controller, or boot with cgroup_enable=memory swapaccount=1.",
  },
  {
    limit: "pids",
    limits: { pids: 16 },
    script: "for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do sleep 5 & done",
    held: ({ stderr }) => /fork/i.test(stderr),
    enforced: "the process after the 16th was refused",
    mend: "Mount the pids controller, without which a fork bomb takes the whole host down.",
  },
  {
    limit: "cpus",
    limits: { cpus: 0.1 },
    script:
      "while :; do :; done & sleep 1; kill $!; cat /sys/fs/cgroup/cpu.stat /sys/fs/cgroup/cpu/cpu.stat 2>/dev/null; true",
    held: ({ stdout }) => /^nr_throttled [1-9]/m.test(stdout),
    enforced: "a busy loop was throttled to 0.1 cores",
    mend: "Mount the cpu controller; the kernel needs CONFIG_CFS_BANDWIDTH.",
  },
]

/**
 * Tests each limit in a sandbox that exceeds it: an accepted limit may still not be enforced.
 *
 * @param hostMend advice for this host, if known
 */
export const checkLimits = (image: string, hostMend: string | undefined) =>
  Effect.forEach(trials, ({ limit, limits, script, held, enforced, mend }) =>
    probe(image, script, limits).pipe(
      within(`trying the limit of ${limit} in a sandbox`, 90),
      Effect.map((result): { limit: Trial["limit"]; enforcement: Enforcement; check: Check } =>
        held(result)
          ? {
              limit,
              enforcement: "enforced",
              check: { name: `limit of ${limit}`, status: "ok", detail: enforced },
            }
          : {
              limit,
              enforcement: "ignored",
              check: {
                name: `limit of ${limit}`,
                status: "failed",
                detail: `the probe went past the limit and was not stopped (exit code ${result.exitCode})`,
                mend: hostMend ?? mend,
              },
            },
      ),
      Effect.catch((error) =>
        Effect.succeed({
          limit,
          enforcement: "unknown" as const,
          check: {
            name: `limit of ${limit}`,
            status: "failed" as const,
            detail: `the probe did not run: ${error.message}`,
            mend: "Read the engine's message above, and try another image with --image.",
          },
        }),
      ),
    ),
  )
