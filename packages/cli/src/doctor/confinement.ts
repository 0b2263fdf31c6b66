import { Effect } from "effect"
import { probe } from "./probe.ts"
import { within } from "./progress.ts"
import type { Check } from "./report.ts"

// AF_VSOCK reaches hypervisors past the network; io_uring does system calls that seccomp does not see.
const script = `while read -r key value; do [ "$key" = Seccomp: ] && echo "seccomp $value"; done </proc/self/status
read -r scope </proc/sys/kernel/yama/ptrace_scope 2>/dev/null && echo "yama $scope"
read -r profile </proc/self/attr/current 2>/dev/null && echo "lsm $profile"
command -v perl >/dev/null && exec perl -e '
print "vsock ", (socket(my $s, 40, 1, 0) ? "open" : "shut"), "\\n";
my $p = "\\0" x 120; print "uring ", (syscall(425, 1, $p) >= 0 ? "open" : "shut"), "\\n";'
true`

const name = "system calls"

/** Judges a sandbox's own view of its confinement. */
export const judgeConfinement = (saw: string): Check => {
  const [, filtered] = /^seccomp (\d)/m.exec(saw) ?? []
  const of = (call: string) => new RegExp(`^${call} (open|shut)`, "m").exec(saw)?.[1]
  const calls = [
    ["AF_VSOCK", of("vsock")],
    ["io_uring", of("uring")],
  ] as const
  const [, scope] = /^yama (\d)/m.exec(saw) ?? []
  const [, profile] = /^lsm (.+)/m.exec(saw) ?? []
  const more = [
    profile === undefined ? "" : `; the profile ${profile} holds`,
    scope === undefined ? "" : `; Yama's ptrace_scope is ${scope}`,
  ].join("")
  if (filtered === "0") {
    return {
      name,
      status: "failed",
      detail: `sandboxes run without a seccomp filter${more}`,
      mend: 'Remove "seccomp-profile" from the engine\'s daemon.json.',
    }
  }
  const open = calls.filter(([, is]) => is === "open").map(([call]) => call)
  if (open.length > 0) {
    return {
      name,
      status: "warning",
      detail: `the engine's seccomp profile lets sandboxes use ${open.join(" and ")}${more}`,
      mend: 'Use Docker Engine 25 or Podman 5 or later, whose profiles refuse both, or give such a profile ("seccomp-profile" in daemon.json). io_uring can be turned off on the host as well: sysctl kernel.io_uring_disabled=2.',
    }
  }
  const tried = calls.every(([, is]) => is === "shut")
  return {
    name,
    status: "ok",
    detail: tried
      ? `AF_VSOCK and io_uring are refused${more}`
      : `a seccomp filter is in force; AF_VSOCK and io_uring were not tried, because the image has no perl${more}`,
  }
}

/** Tests in a sandbox which system calls work. System calls in gVisor and Kata go to a separate kernel. */
export const checkConfinement = (image: string) =>
  probe(image, script).pipe(
    within("trying system calls in a sandbox", 90),
    Effect.map(({ stdout }) => judgeConfinement(stdout)),
    Effect.catch((error) =>
      Effect.succeed<Check>({
        name,
        status: "skipped",
        detail: `they could not be checked: ${error.message}`,
        mend: "Read the engine's message above, and try another image with --image.",
      }),
    ),
  )
