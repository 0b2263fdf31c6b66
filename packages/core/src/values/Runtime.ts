import { Schema } from "effect"

/**
 * OCI runtimes that Cordon knows by a stable name. A driver maps them to what its host calls them
 * (`gvisor` is often registered as `runsc`).
 */
export const Runtime = Schema.Literals(["runc", "sysbox-runc", "kata", "gvisor"]).pipe(
  Schema.annotate({
    title: "Runtime",
    description: "OCI runtime: runc, sysbox-runc, kata or gvisor",
  }),
)
export type Runtime = typeof Runtime.Type

/** What a caller may ask for: a runtime by name, or `strongest`, the strongest that the host offers. */
export const RuntimeChoice = Schema.Literals([...Runtime.literals, "strongest"]).pipe(
  Schema.annotate({
    title: "RuntimeChoice",
    description: "OCI runtime: runc, sysbox-runc, kata, gvisor, or the strongest on offer",
  }),
)
export type RuntimeChoice = typeof RuntimeChoice.Type

// sysbox-runc before runc: root inside is nobody outside.
const strongestFirst = ["kata", "gvisor", "sysbox-runc", "runc"] as const satisfies Array<Runtime>

/** The runtime that a choice stands for on a host; undefined where the host does not offer it. */
export const chooseRuntime = (
  choice: RuntimeChoice,
  offered: ReadonlyArray<Runtime>,
): Runtime | undefined =>
  strongestFirst.find(
    (runtime) => offered.includes(runtime) && (choice === "strongest" || choice === runtime),
  )

/** The runtimes that isolate no less than one does, strongest first. */
export const atLeastAsStrong = (least: Runtime): ReadonlyArray<Runtime> =>
  strongestFirst.slice(0, strongestFirst.indexOf(least) + 1)

/** What stands between the code inside and the host, weakest first. */
export const Isolation = Schema.Literals([
  /** An interpreter in this process: no kernel boundary at all. */
  "interpreter",
  /** Linux namespaces, cgroups, capabilities and seccomp on the host's kernel. */
  "container",
  /** A kernel in user space between the code and the host's kernel. */
  "user-space-kernel",
  /** Hardware virtualisation. */
  "virtual-machine",
])
export type Isolation = typeof Isolation.Type

/** The isolation that a runtime gives. */
export const isolationOf = (runtime: Runtime): Isolation => {
  switch (runtime) {
    case "kata":
      return "virtual-machine"
    case "gvisor":
      return "user-space-kernel"
    case "sysbox-runc":
    case "runc":
      return "container"
  }
}
