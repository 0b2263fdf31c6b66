import { CordonMastraSandbox } from "@cordon/slots/mastra"
import type { WorkspaceSandbox } from "@mastra/core/workspace"
import { DockerSandbox } from "@mastra/docker"
import { image } from "../suite.ts"
import { type Framework, label, type Opened } from "./provider.ts"

const used = (sandbox: Pick<WorkspaceSandbox, "executeCommand">) => {
  const execute = async (command: string, timeout?: number) => {
    const result = await sandbox.executeCommand?.(
      command,
      [],
      timeout === undefined ? {} : { timeout },
    )
    if (result === undefined) throw new Error("The provider runs no commands.")
    return result
  }
  return {
    run: (command) => execute(command),
    stopAfter: async (command, milliseconds) => {
      await execute(command, milliseconds)
    },
  } satisfies Pick<Opened, "run" | "stopAfter">
}

export const mastra: Framework = {
  name: "Mastra",
  provider: "@mastra/docker",
  theirs: async ({ mark, env }) => {
    const sandbox = new DockerSandbox({ image, env: { ...env }, labels: { [label]: mark } })
    await sandbox._start()
    return {
      ...used(sandbox),
      container: sandbox.container.id,
      [Symbol.asyncDispose]: () => sandbox._destroy(),
    }
  },
  ours: async ({ env }, sandboxes) => {
    const sandbox = new CordonMastraSandbox({ sandboxes, env: { ...env } })
    await sandbox._start()
    return {
      ...used(sandbox),
      container: sandbox.sandbox.info.instanceId,
      [Symbol.asyncDispose]: () => sandbox._destroy(),
    }
  },
}
