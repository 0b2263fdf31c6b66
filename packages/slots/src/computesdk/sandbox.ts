import { type ExecResult, InvalidInput, type PromiseSandbox } from "@cordon/core"
import type { CommandResult, RunCommandOptions, SandboxInterface } from "computesdk"
import type { ComputesdkOptions, ComputesdkProvider } from "../computesdk.ts"
import { unlessGone } from "../shared/absent.ts"
import { placeOf } from "../shared/command.ts"
import { explainedStderr } from "../shared/outcome.ts"
import { openPorts } from "../shared/ports.ts"

/** A sandbox of ours as ComputeSDK has it. */
export interface ComputesdkSandbox extends SandboxInterface {
  readonly provider: "cordon"
  /** The provider that the sandbox was made or found by. */
  readonly getProvider: () => ComputesdkProvider
  /** Cordon's own sandbox, for all that it can do beside. */
  readonly getInstance: () => PromiseSandbox
}

// ComputeSDK's exit code of a command that was killed at its time limit.
const timeoutExitCode = 124

const resultOf = (result: ExecResult, sandbox: PromiseSandbox): CommandResult => ({
  stdout: result.stdout,
  stderr: explainedStderr(result, sandbox),
  exitCode: result.timedOut ? timeoutExitCode : result.exitCode,
  durationMs: result.duration,
})

/** Starts a background command. Its output is in the logs of the sandbox's process. */
const startIn = async (
  sandbox: PromiseSandbox,
  command: string,
  { onStdout, onStderr, ...options }: RunCommandOptions,
): Promise<CommandResult> => {
  if (onStdout !== undefined || onStderr !== undefined) {
    throw new InvalidInput({
      subject: "options of runCommand",
      issue: "a background command can't have onStdout or onStderr; leave them out",
    })
  }
  await sandbox.processes.start(command, placeOf(options))
  return { stdout: "", stderr: "", exitCode: 0, durationMs: 0 }
}

const filesOf = ({ files }: PromiseSandbox): SandboxInterface["filesystem"] => ({
  readFile: (path) => files.readText(path),
  writeFile: (path, content) => files.write(path, content),
  readdir: async (path) => {
    const entries = await files.list(path)
    return entries.map(({ name, kind, size, modifiedAt }) => ({
      name,
      type: kind === "directory" ? "directory" : "file",
      size,
      modified: modifiedAt,
    }))
  },
  mkdir: (path) => files.makeDirectory(path),
  exists: (path) => files.exists(path),
  remove: (path) => files.remove(path, { recursive: true }),
})

export const sandboxOver = (
  sandbox: PromiseSandbox,
  provider: ComputesdkProvider,
  { ports = [], signal }: ComputesdkOptions,
): ComputesdkSandbox => {
  const open = openPorts(sandbox, ports)
  return {
    sandboxId: sandbox.name,
    provider: provider.name,
    getProvider: () => provider,
    getInstance: () => sandbox,
    runCommand: async (command, options = {}) => {
      if (options.background) return await startIn(sandbox, command, options)
      const { timeout, onStdout, onStderr } = options
      const result = await sandbox.exec(command, {
        ...placeOf(options),
        timeout,
        onStdout,
        onStderr,
        signal,
      })
      return resultOf(result, sandbox)
    },
    getInfo: async () => {
      const { status, createdAt, lease, tags } = await sandbox.inspect()
      return {
        id: sandbox.name,
        provider: provider.name,
        status: status === "running" ? "running" : "stopped",
        createdAt,
        // The idle time after which the sandbox is stopped.
        timeout: lease.idleTimeout,
        ...(tags === undefined ? {} : { metadata: tags }),
      }
    },
    getUrl: async ({ port, protocol = "http" }) => `${protocol}://${await open.open(port)}`,
    destroy: async () => {
      await open.close()
      await unlessGone(sandbox.remove())
    },
    filesystem: filesOf(sandbox),
  }
}
