import "@cordon/core"
import { FileNotFound, InvalidInput, NotADirectory, type PromiseSandbox } from "@cordon/core"
import { SandboxPathNotFoundError, type Tool } from "@strands-agents/sdk"
import {
  type ExecuteOptions,
  type FileInfo,
  LANGUAGE_PATTERN,
  Sandbox,
} from "@strands-agents/sdk/sandbox"
import {
  DEFAULT_FILE_EDITOR_DESCRIPTION,
  makeFileEditor,
} from "@strands-agents/sdk/vended-tools/file-editor"
import { makeShell, SANDBOX_SHELL_DESCRIPTION } from "@strands-agents/sdk/vended-tools/shell"
import { describe } from "./shared/describe.ts"
import { streamCommand } from "./strands/command.ts"

/** Options of a sandbox for an agent of Strands. */
export interface StrandsOptions {
  /**
   * Kills the commands that run: the framework's shell tool hands none to a sandbox. Give the one that
   * `invoke` is given as `cancelSignal`.
   */
  readonly signal?: AbortSignal | undefined
  /** The longest time in seconds that a command may run; a model can't exceed it. Default: 600. */
  readonly maxTimeout?: number
  /**
   * The number of bytes, head and tail, that a command's result keeps of each output. Default:
   * 65,536. Streams have all.
   */
  readonly outputLimit?: number
}

/**
 * A sandbox for an agent of Strands: `sandbox` of `new Agent`. It brings the framework's own shell and
 * file editor, as its Docker sandbox does.
 *
 * @example
 * import { StrandsSandbox } from "@cordon/slots/strands"
 * import { Agent } from "@strands-agents/sdk"
 *
 * const agent = new Agent({ sandbox: new StrandsSandbox(sandbox) })
 */
export class StrandsSandbox extends Sandbox {
  readonly #sandbox: PromiseSandbox
  readonly #options: StrandsOptions

  constructor(sandbox: PromiseSandbox, options: StrandsOptions = {}) {
    super()
    this.#sandbox = sandbox
    this.#options = options
  }

  /** Cordon's own sandbox, for all that it can do beside. */
  get sandbox(): PromiseSandbox {
    return this.#sandbox
  }

  get #abortable() {
    const { signal } = this.#options
    return { signal }
  }

  /** Runs a script of the sandbox's shell. */
  override executeStreaming(command: string, options: ExecuteOptions = {}) {
    return streamCommand(this.#sandbox, { command }, options, this.#options)
  }

  /** Runs an interpreter that reads the code from its standard input. */
  override async *executeCodeStreaming(
    code: string,
    language: string,
    options: ExecuteOptions = {},
  ) {
    if (!LANGUAGE_PATTERN.test(language)) {
      throw new InvalidInput({
        subject: "language",
        issue: "it must be the name of an interpreter, such as python3",
      })
    }
    const interpreter = { command: language, stdin: code }
    yield* streamCommand(this.#sandbox, interpreter, options, this.#options)
  }

  /** Reads a file whole, up to the `fileLimit` of the settings. */
  override readFile(path: string): Promise<Uint8Array> {
    return this.#sandbox.files.read(path, this.#abortable)
  }

  /** Writes a file whole or not at all; parent folders are made. */
  override writeFile(path: string, content: Uint8Array): Promise<void> {
    return this.#sandbox.files.write(path, content, this.#abortable)
  }

  /** Removes a file, or a folder that is empty. */
  override removeFile(path: string): Promise<void> {
    return this.#sandbox.files.remove(path, this.#abortable)
  }

  /** Lists a folder. The target of a symlink is not checked: its `isDir` is undefined. */
  override async listFiles(path: string): Promise<Array<FileInfo>> {
    try {
      const entries = await this.#sandbox.files.list(path, this.#abortable)
      return entries.map(({ name, kind, size }) =>
        kind === "symlink" ? { name } : { name, isDir: kind === "directory", size },
      )
    } catch (error) {
      const isAbsent = error instanceof FileNotFound || error instanceof NotADirectory
      throw isAbsent ? new SandboxPathNotFoundError(path) : error
    }
  }

  /** The framework's own shell and file editor, which the agent then has. */
  override getTools(): Array<Tool> {
    const about = describe(this.#sandbox)
    return [
      makeFileEditor(this, {
        name: "sandbox_file_editor",
        description: `${DEFAULT_FILE_EDITOR_DESCRIPTION}\n${about}`,
      }),
      makeShell(this, {
        name: "sandbox_shell",
        description: `${SANDBOX_SHELL_DESCRIPTION}\n${about}`,
      }),
    ]
  }
}
