import { ProcessNotFound, type PromiseProcess, type PromiseSandbox } from "@cordon/core"
import {
  type CommandResult,
  type MastraSandbox,
  ProcessHandle,
  type ProcessInfo,
  SandboxProcessManager,
  type SpawnProcessOptions,
} from "@mastra/core/workspace"

/** Variables that have a value. */
export const definedEnv = (
  env: Readonly<Record<string, string | undefined>> = {},
): Record<string, string> =>
  Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )

/** A background process of a sandbox; its ID is its name there. */
class CordonProcess extends ProcessHandle {
  readonly pid: string
  readonly #process: PromiseProcess
  readonly #startedAt: number
  readonly #ended: Promise<void>
  #exitCode: number | undefined
  #wasKilled = false
  #wasLate = false

  constructor(process: PromiseProcess, startedAt: number, options: SpawnProcessOptions = {}) {
    super(options)
    this.pid = process.name
    this.#process = process
    this.#startedAt = startedAt
    this.#ended = this.#follow()
    // `wait` reports it.
    this.#ended.catch(() => {})
    this.#bound(options)
  }

  override get exitCode() {
    return this.#exitCode
  }

  async #follow() {
    const decoders = { Stdout: new TextDecoder(), Stderr: new TextDecoder() }
    for await (const event of this.#process.follow()) {
      if (event._tag === "Exit") this.#exitCode = event.exitCode
      else if (event._tag === "Lost") {
        this.emitStderr(`\n[${event.bytes} bytes of output are no longer kept]\n`)
      } else {
        const text = decoders[event._tag].decode(event.bytes, { stream: true })
        if (event._tag === "Stdout") this.emitStdout(text)
        else this.emitStderr(text)
      }
    }
  }

  /** Ends it at its time limit, and by its signal. */
  #bound({ timeout, abortSignal }: SpawnProcessOptions) {
    const end = () => void this.kill().catch(() => {})
    const late = () => {
      this.#wasLate = true
      end()
    }
    const timer = timeout === undefined ? undefined : setTimeout(late, timeout)
    timer?.unref()
    if (abortSignal?.aborted) end()
    abortSignal?.addEventListener("abort", end, { once: true })
    const over = () => {
      clearTimeout(timer)
      abortSignal?.removeEventListener("abort", end)
    }
    this.#ended.then(over, over)
  }

  override async wait(): Promise<CommandResult> {
    await this.#ended
    const exitCode = this.#exitCode ?? 137
    return {
      success: exitCode === 0,
      exitCode,
      stdout: this.stdout,
      stderr: this.stderr,
      executionTimeMs: Date.now() - this.#startedAt,
      ...(this.#wasKilled ? { killed: true } : {}),
      ...(this.#wasLate ? { timedOut: true } : {}),
    }
  }

  override async kill(): Promise<boolean> {
    if (this.#exitCode !== undefined) return false
    this.#wasKilled = true
    await this.#process.kill({ grace: 0 })
    return true
  }

  override async sendStdin(data: string): Promise<void> {
    await this.#process.write(data)
  }

  override async closeStdin(): Promise<void> {
    await this.#process.closeStdin()
  }
}

/** The background processes of a sandbox, also those that another program started. */
export class CordonProcesses extends SandboxProcessManager<
  MastraSandbox<PromiseSandbox> & { readonly sandbox: PromiseSandbox }
> {
  override async spawn(command: string, options: SpawnProcessOptions = {}) {
    const startedAt = Date.now()
    options.abortSignal?.throwIfAborted()
    const process = await this.sandbox.sandbox.processes.start(command, {
      env: definedEnv({ ...this.sandbox.getEnv(), ...options.env }),
      stdin: options.stdinMode !== "ignore",
      cwd: options.cwd,
    })
    return this.#track(new CordonProcess(process, startedAt, options))
  }

  override async list(): Promise<Array<ProcessInfo>> {
    const all = await this.sandbox.sandbox.processes.list()
    return all.map(({ name, command, status, exitCode }) => ({
      pid: name,
      command,
      running: status === "running",
      ...(exitCode === undefined ? {} : { exitCode }),
    }))
  }

  override async get(pid: string): Promise<ProcessHandle | undefined> {
    const tracked = this._tracked.get(pid)
    if (tracked !== undefined) return tracked
    try {
      const process = await this.sandbox.sandbox.processes.get(pid)
      const { startedAt } = await process.inspect()
      return this.#track(new CordonProcess(process, startedAt.getTime()))
    } catch (error) {
      if (error instanceof ProcessNotFound) return undefined
      throw error
    }
  }

  #track(process: CordonProcess) {
    this._tracked.set(process.pid, process)
    return process
  }
}
