import type { DockerOptions } from "@cordon/driver-docker"
import type { Case } from "../harness/Case.ts"

// Like a build tool: as many parallel jobs as the machine seems to have cores.
const build = "seq 16 | xargs -P \"$(nproc)\" -n 1 perl -e '$sum += $_ for 1 .. 2e6'"

export const parallelBuild: Case = {
  name: "parallel-build",
  title: "A build of as many jobs at once as there seem to be cores",
  about:
    "16 jobs that compute, in a sandbox of one core, started by `xargs -P $(nproc)`: with a cpuset, so that `nproc` tells the sandbox's own cores (`cordon`), and with a limit of CPU time only, so that it tells the host's (`no cpuset`).",
  unit: "ms",
  rounds: 5,
  warmUp: 1,
  subjects: async (stage, stack) => {
    const ways: ReadonlyArray<readonly [string, DockerOptions]> = [
      ["cordon", {}],
      ["no cpuset", { cpusets: false }],
    ]
    return Promise.all(
      ways.map(async ([name, driver]) => {
        const sandboxes = stage.sandboxes(stack, { network: "none", limits: { cpus: 1 } }, driver)
        const sandbox = await sandboxes.create()
        return { name, run: async ({ time }) => void (await time(() => sandbox.run(build))) }
      }),
    )
  },
}
