import "@cordon/core"
import { randomBytes } from "node:crypto"
import {
  type CreateOptions,
  type CreateSecrets,
  InvalidInput,
  type PromiseSandbox,
  type PromiseSandboxes,
  SandboxNotFound,
  shellWord,
} from "@cordon/core"
import {
  type CommandResult,
  type ExecuteCommandOptions,
  MastraSandbox,
  type MastraSandboxOptions,
  type ProviderStatus,
  type SandboxFileInput,
  type SandboxInfo,
  validateSandboxFileMode,
  type WriteFilesOptions,
} from "@mastra/core/workspace"
import { CordonProcesses, definedEnv } from "./mastra/processes.ts"
import { unlessGone } from "./shared/absent.ts"
import { describe } from "./shared/describe.ts"
import { explainedStderr } from "./shared/outcome.ts"
import { type OpenPorts, openPorts } from "./shared/ports.ts"

/** Options of the sandbox of a workspace. */
export interface CordonMastraOptions
  extends Pick<MastraSandboxOptions, "onStart" | "onStop" | "onDestroy" | "env"> {
  /** The session that owns the sandbox. Close it when you are done. */
  readonly sandboxes: PromiseSandboxes
  /**
   * The sandbox's name: one that is there is used, and made otherwise. A random one by default. To find it
   * in another process, give `createSandboxes` a `sessionId` of your own and `removeOnClose: false`.
   */
  readonly name?: string
  /** The options of the sandbox: its image, limits, network. */
  readonly create?: Omit<CreateOptions, "name"> & CreateSecrets
  /** Ports of the sandbox that this machine may connect to, on 127.0.0.1. Default: none. */
  readonly ports?: ReadonlyArray<number>
  /** The longest time in milliseconds that a command may run; a model can't exceed it. Default: 600,000. */
  readonly maxTimeout?: number
}

/**
 * A sandbox for a workspace of Mastra: its `sandbox`. It is made, or found by its name, with the first use.
 *
 * @example
 * import { CordonMastraSandbox } from "@cordon/slots/mastra"
 * import { Workspace } from "@mastra/core/workspace"
 *
 * const workspace = new Workspace({ sandbox: new CordonMastraSandbox({ sandboxes }) })
 */
export class CordonMastraSandbox extends MastraSandbox<PromiseSandbox> {
  override readonly id: string
  override readonly name = "CordonSandbox"
  override readonly provider = "cordon"
  override status: ProviderStatus = "pending"
  /** Its background processes, also those that another program started. */
  declare readonly processes: CordonProcesses
  /** How ports of the sandbox are reached from this machine. */
  override readonly networking = {
    /** The address on this machine of a port that `ports` names; null for other ports. */
    getPortUrl: (port: number) => this.#portUrl(port),
  }
  readonly #options: CordonMastraOptions
  #sandbox: PromiseSandbox | undefined
  #ports: OpenPorts | undefined

  constructor(options: CordonMastraOptions) {
    const { onStart, onStop, onDestroy, env } = options
    super({
      name: "CordonSandbox",
      processes: new CordonProcesses(),
      ...(onStart && { onStart }),
      ...(onStop && { onStop }),
      ...(onDestroy && { onDestroy }),
      ...(env && { env }),
    })
    this.#options = options
    this.id = options.name ?? `mastra-${randomBytes(8).toString("hex")}`
  }

  /** Cordon's own sandbox, for all that it can do beside. It has to be started. */
  get sandbox(): PromiseSandbox {
    if (this.#sandbox !== undefined) return this.#sandbox
    throw new InvalidInput({
      subject: "sandbox of a workspace",
      issue: "it has not been started; call start first",
    })
  }

  protected override async find(): Promise<PromiseSandbox | undefined> {
    try {
      return await this.#options.sandboxes.get(this.id)
    } catch (error) {
      if (error instanceof SandboxNotFound) return undefined
      throw error
    }
  }

  protected override async connect(found: PromiseSandbox): Promise<void> {
    if (found.info.status !== "running") await found.start()
    this.#use(found)
  }

  protected override async create(): Promise<void> {
    const { sandboxes, create } = this.#options
    this.#use(await sandboxes.create({ ...create, name: this.id }))
  }

  #use(sandbox: PromiseSandbox) {
    this.#sandbox = sandbox
    this.#ports = openPorts(sandbox, this.#options.ports ?? [])
    this.setWorkingDirectory(sandbox.info.workdir)
  }

  /** Stops it with its processes; its files stay. */
  override async stop(): Promise<void> {
    await this.#ports?.close()
    const found = this.#sandbox ?? (await this.find())
    if (found !== undefined) await unlessGone(found.stop())
    this.#sandbox = undefined
  }

  /** Removes it. */
  override async destroy(): Promise<void> {
    await this.#ports?.close()
    const found = this.#sandbox ?? (await this.find())
    if (found !== undefined) await unlessGone(found.remove())
    this.#sandbox = undefined
  }

  /**
   * Runs a command to its end, within its `timeout`, which `maxTimeout` bounds, or the `execTimeout` of the sandbox's settings. An
   * abort kills it, and rejects with the signal's reason.
   */
  override async executeCommand(
    command: string,
    args: Array<string> = [],
    options: ExecuteCommandOptions = {},
  ): Promise<CommandResult> {
    await this.ensureRunning()
    const { timeout, cwd, onStdout, onStderr, abortSignal, maxRetainedBytes } = options
    const { maxTimeout = 600_000 } = this.#options
    const script = [command, ...args.map(shellWord)].join(" ")
    const result = await this.sandbox.exec(script, {
      env: definedEnv({ ...this.getEnv(), ...options.env }),
      timeout: timeout === undefined ? undefined : Math.min(timeout, maxTimeout),
      cwd,
      onStdout,
      onStderr,
      signal: abortSignal,
      ...(maxRetainedBytes !== undefined &&
      maxRetainedBytes > 0 &&
      Number.isFinite(maxRetainedBytes)
        ? { outputLimit: maxRetainedBytes }
        : {}),
    })
    const { exitCode, stdout, duration, timedOut } = result
    return {
      command: script,
      success: exitCode === 0,
      exitCode,
      stdout,
      stderr: explainedStderr(result, this.sandbox),
      executionTimeMs: duration,
      ...(timedOut ? { timedOut, killed: true } : {}),
      stdoutTruncated: result.truncated && result.stdoutBytes > Buffer.byteLength(stdout),
      stderrTruncated: result.truncated && result.stderrBytes > Buffer.byteLength(result.stderr),
    }
  }

  override async writeFiles(
    files: Array<SandboxFileInput>,
    { abortSignal }: WriteFilesOptions = {},
  ): Promise<void> {
    await this.ensureRunning()
    for (const { mode } of files) if (mode !== undefined) validateSandboxFileMode(mode)
    for (const { path, content, mode } of files) {
      await this.sandbox.files.write(path, content, {
        mode,
        signal: abortSignal,
      })
    }
  }

  override getInstructions(): string {
    return this.#sandbox === undefined
      ? "A Linux container, which is made with the first command."
      : describe(this.#sandbox)
  }

  override async getInfo(): Promise<SandboxInfo> {
    const { id, name, provider, status } = this
    const info = await this.#sandbox?.inspect()
    return {
      id,
      name,
      provider,
      status,
      createdAt: info?.createdAt ?? new Date(),
      ...(info && {
        resources: { memoryMB: info.limits.memory / 1024 ** 2, cpuCores: info.limits.cpus },
        metadata: { image: info.image, runtime: info.runtime, network: info.network },
      }),
    }
  }

  async #portUrl(port: number): Promise<string | null> {
    if (!this.#ports?.allowed().includes(port)) return null
    return `http://${await this.#ports.open(port)}`
  }
}
