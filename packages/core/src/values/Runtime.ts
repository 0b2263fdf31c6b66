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
