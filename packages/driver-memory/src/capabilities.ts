import type { DriverCapabilities } from "@cordon/core"

/** What the in-memory driver offers, and what its users must not rely on. */
export const capabilities: Omit<DriverCapabilities, "hostId"> = {
  driver: "memory",
  host: "this process's memory (just-bash)",
  runtimes: [{ runtime: "runc", isolation: "interpreter", keepsFiles: true }],
  enforced: { memory: false, cpus: false, pids: false, disk: false },
  capacity: {},
  // A sandbox has no network at all, so an allow-list of destinations always holds.
  features: ["egress", "stats"],
  caveats: [
    "Nothing is isolated by a kernel: scripts are interpreted inside this process.",
    "Limits are recorded, not enforced; a script ends after 1,000,000 commands or loop rounds, and may hold the process's event loop until then or until its timeout.",
    "Images are names: there are the interpreter's own commands and no binaries.",
    "There are no processes: what '&' starts runs beside its command and ends with it.",
    "A shell that lasts keeps variables, functions, aliases and options, but for what a command changed that 'set -e' ended.",
    "What a command prints comes at its end; hard links are copies.",
    "There is no network, whatever the network mode.",
    "Statistics tell no CPU time, memory or processes: a sandbox shares them with this process.",
    "Users and permissions are recorded; everything runs as root.",
    "Shell variables, functions and programs for text (sed, tr, sort) hold text: bytes that are not UTF-8 may change in them.",
  ],
}
