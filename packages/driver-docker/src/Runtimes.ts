import { isolationOf, Runtime, type RuntimeOffer } from "@cordon/core"
import { isPodman } from "./engine/podman.ts"
import type { EngineInfo } from "./engine/schemas.ts"

/** What daemons call the runtimes, likeliest first. Register others through the driver's options. */
export const defaultRuntimeNames: Readonly<Record<Runtime, ReadonlyArray<string>>> = {
  runc: ["runc", "io.containerd.runc.v2"],
  "sysbox-runc": ["sysbox-runc"],
  kata: ["kata", "kata-runtime", "io.containerd.kata.v2"],
  gvisor: ["runsc", "gvisor", "io.containerd.runsc.v1"],
}

// Unless told otherwise, gVisor keeps what is written in a file that is gone with the sandbox.
const keepsWhatIsWritten = (args: ReadonlyArray<string>) =>
  /(?:^| )--?overlay2[= ]none(?: |$)/.test(args.join(" "))

/** A runtime on offer, with the name by which the daemon has it. */
export interface OfferedRuntime extends RuntimeOffer {
  readonly name: string
}

/** Finds our runtimes among those that a daemon has registered; what it does not offer is left out. */
export const offeredRuntimes = (
  registered: NonNullable<EngineInfo["Runtimes"]>,
  names: Readonly<Record<Runtime, ReadonlyArray<string>>>,
): ReadonlyMap<Runtime, OfferedRuntime> =>
  new Map(
    Runtime.literals.flatMap((runtime) => {
      const name = names[runtime].find((candidate) => Object.hasOwn(registered, candidate))
      if (name === undefined) return []
      const isolation = isolationOf(runtime)
      const keepsFiles =
        runtime !== "gvisor" || keepsWhatIsWritten(registered[name]?.runtimeArgs ?? [])
      return [[runtime, { runtime, isolation, keepsFiles, name }] as const]
    }),
  )

/** What an engine has on offer for sandboxes. */
export const runtimesOf = (
  host: EngineInfo,
  names: Readonly<Record<Runtime, ReadonlyArray<string>>>,
): ReadonlyMap<Runtime, OfferedRuntime> => {
  if (!isPodman(host)) return offeredRuntimes(host.Runtimes ?? {}, names)
  // Whatever is asked for, Podman runs its default (crun, mostly), and does not tell which that was;
  // it lists others that may not be there. So no more is promised than every runtime gives.
  const name = host.DefaultRuntime ?? "runc"
  return offeredRuntimes({ [name]: {} }, { runc: [name], "sysbox-runc": [], kata: [], gvisor: [] })
}
