import { Runtime } from "@cordon/core"

/** What daemons call the runtimes, likeliest first. Register others through the driver's options. */
export const defaultRuntimeNames: Readonly<Record<Runtime, ReadonlyArray<string>>> = {
  runc: ["runc", "io.containerd.runc.v2"],
  "sysbox-runc": ["sysbox-runc"],
  kata: ["kata", "kata-runtime", "io.containerd.kata.v2"],
  gvisor: ["runsc", "gvisor", "io.containerd.runsc.v1"],
}

/** Maps our names to those that a daemon has registered; what it does not offer is left out. */
export const offeredRuntimes = (
  registered: ReadonlyArray<string>,
  names: Readonly<Record<Runtime, ReadonlyArray<string>>>,
): ReadonlyMap<Runtime, string> =>
  new Map(
    Runtime.literals.flatMap((runtime) => {
      const name = names[runtime].find((candidate) => registered.includes(candidate))
      return name === undefined ? [] : [[runtime, name] as const]
    }),
  )
