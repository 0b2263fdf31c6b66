import { StrandsSandbox } from "@cordon/slots/strands"
import { SandboxTimeoutError } from "@strands-agents/sdk"
import type { Sandbox } from "@strands-agents/sdk/sandbox"
import { DockerSandbox } from "@strands-agents/sdk/sandbox/docker"
import { image } from "../suite.ts"
import { engine, type Framework, label, type Opened, type Setting } from "./provider.ts"

const used = (sandbox: Sandbox, { env }: Setting): Pick<Opened, "run" | "stopAfter"> => ({
  run: (command) => sandbox.execute(command, { env: { ...env } }),
  stopAfter: async (command, milliseconds) => {
    try {
      await sandbox.execute(command, { timeout: milliseconds / 1000 })
    } catch (error) {
      if (!(error instanceof SandboxTimeoutError)) throw error
    }
  },
})

export const strands: Framework = {
  name: "Strands Agents",
  provider: "@strands-agents/sdk",
  // Its provider makes no container: it is given one, here the one of `docker run -d IMAGE sleep infinity`.
  theirs: async (setting) => {
    const container = await engine.createContainer({
      Image: image,
      Cmd: ["sleep", "infinity"],
      Labels: { [label]: setting.mark },
    })
    await container.start()
    return {
      ...used(new DockerSandbox({ container: container.id }), setting),
      container: container.id,
      [Symbol.asyncDispose]: () => container.remove({ force: true }),
    }
  },
  ours: async (setting, sandboxes) => {
    const sandbox = await sandboxes.create()
    return {
      ...used(new StrandsSandbox(sandbox), setting),
      container: sandbox.info.instanceId,
      [Symbol.asyncDispose]: () => sandbox.remove(),
    }
  },
}
