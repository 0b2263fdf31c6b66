import "@cordon/core"
import type { PromiseSandbox } from "@cordon/core"
import type { Sandbox } from "bash-tool"
import { explainedStderr } from "./shared/outcome.ts"

/** Options of a sandbox for `bash-tool`. */
export interface BashToolOptions {
  /**
   * Kills the running commands. The framework passes no signal to a sandbox: pass the agent loop's
   * signal here.
   */
  readonly signal?: AbortSignal | undefined
}

/** The arguments of `createBashTool`: the sandbox, and its working folder. */
export interface BashToolSandbox {
  /** The sandbox, as `bash-tool` takes one. */
  readonly sandbox: Sandbox
  /** The sandbox's working directory. */
  readonly destination: string
}

/**
 * A sandbox for `bash-tool`: options of `createBashTool`.
 *
 * @example
 * import { bashToolSandbox } from "@cordon/slots/bash-tool"
 * import { createBashTool } from "bash-tool"
 *
 * const { tools } = await createBashTool({
 *   ...bashToolSandbox(sandbox),
 *   files: { "src/index.ts": "export const hello = 'world'" },
 * })
 */
export const bashToolSandbox = (
  sandbox: PromiseSandbox,
  options: BashToolOptions = {},
): BashToolSandbox => ({
  destination: sandbox.info.workdir,
  sandbox: {
    executeCommand: async (command) => {
      const result = await sandbox.exec(command, options)
      const { stdout, exitCode } = result
      return { stdout, stderr: explainedStderr(result, sandbox), exitCode }
    },
    readFile: (path) => sandbox.files.readText(path, options),
    writeFiles: async (files) => {
      for (const { path, content } of files) await sandbox.files.write(path, content, options)
    },
  },
})
