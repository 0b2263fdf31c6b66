import { defaultLimits, SandboxName, type SandboxSpec } from "@cordon/core"
import { containerSpec } from "../../packages/driver-docker/src/sandbox/containerSpec.ts"
import type { Stage } from "../harness/stage.ts"

let made = 0

/** A name and a subnet that nothing else on the engine has. */
export const fresh = () => {
  const n = made++
  return {
    name: `cordon-bench-${process.pid}-${n}`,
    subnet: `10.214.${Math.floor(n / 32) % 256}.${(n % 32) * 8}/29`,
  }
}

export const sandboxSpec = (stage: Stage): SandboxSpec => ({
  name: SandboxName.make("bench"),
  image: stage.image,
  runtime: "runc",
  limits: defaultLimits,
  network: "bridge",
  lease: { idleTimeout: 600_000, removeTimeout: 1_200_000 },
  env: {},
})

/** The plain engine calls for one sandbox: a network and a container like ours. */
export const rawSandbox = (stage: Stage) => {
  const { raw } = stage
  return {
    network: async ({ name, subnet }: ReturnType<typeof fresh>): Promise<string> => {
      const answer = await raw.call("POST", "/networks/create", {
        Name: name,
        Driver: "bridge",
        CheckDuplicate: true,
        Options: { "com.docker.network.bridge.enable_icc": "false" },
        IPAM: { Config: [{ Subnet: subnet }] },
      })
      return String(JSON.parse(answer).Id)
    },
    container: async (name: string, network: string): Promise<string> => {
      const body = {
        ...containerSpec({
          spec: sandboxSpec(stage),
          runtime: "runc",
          workdir: "/workspace",
          labels: {},
          network,
        }),
        Entrypoint: [],
        Cmd: ["sleep", "infinity"],
      }
      const answer = await raw.call("POST", `/containers/create?name=${name}`, body)
      return String(JSON.parse(answer).Id)
    },
    start: (container: string) => raw.call("POST", `/containers/${container}/start`),
    remove: async (container: string, network: string): Promise<void> => {
      await raw.call("DELETE", `/containers/${container}?force=true&v=true`)
      await raw.call("DELETE", `/networks/${network}`)
    },
  }
}
