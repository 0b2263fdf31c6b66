import { isolationOf, Runtime, type RuntimeOffer } from "@cordon/core"
import { isPodman } from "./engine/podman.ts"
import type { EngineInfo } from "./engine/schemas.ts"

/** The daemons' names of the runtimes, the most likely first. Pass other names in the driver's options. */
export const defaultRuntimeNames: Readonly<Record<Runtime, ReadonlyArray<string>>> = {
  runc: ["runc", "io.containerd.runc.v2"],
  "sysbox-runc": ["sysbox-runc"],
  kata: ["kata", "kata-runtime", "io.containerd.kata.v2"],
  gvisor: ["runsc", "gvisor", "io.containerd.runsc.v1"],
}

// By default gVisor keeps written data in a file that is lost with the sandbox.
const keepsWhatIsWritten = (args: ReadonlyArray<string>) =>
  /(?:^| )--?overlay2[= ]none(?: |$)/.test(args.join(" "))

/** An available runtime with the daemon's name for it. */
export interface OfferedRuntime extends RuntimeOffer {
  readonly name: string
}

/** Finds our runtimes among those that a daemon has registered. Runtimes that it lacks are left out. */
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

/** The runtimes that an engine offers for sandboxes. */
export const runtimesOf = (
  host: EngineInfo,
  names: Readonly<Record<Runtime, ReadonlyArray<string>>>,
): ReadonlyMap<Runtime, OfferedRuntime> => {
  if (!isPodman(host)) return offeredRuntimes(host.Runtimes ?? {}, names)
  // Podman always runs its default runtime (usually crun) and does not say which one. It also lists
  // runtimes that may not be installed. So only the guarantees of every runtime are promised.
  const name = host.DefaultRuntime ?? "runc"
  return offeredRuntimes({ [name]: {} }, { runc: [name], "sysbox-runc": [], kata: [], gvisor: [] })
}
