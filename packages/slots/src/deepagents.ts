import "@cordon/core"
import {
  FileNotFound,
  InvalidInput,
  InvalidPath,
  NotADirectory,
  NotAFile,
  PermissionDenied,
  type PromiseSandbox,
} from "@cordon/core"
import {
  BaseSandbox,
  type ExecuteResponse,
  type FileDownloadResponse,
  type FileOperationError,
  type FileUploadResponse,
} from "deepagents"
import { explainedStderr } from "./shared/outcome.ts"

/** Options of a sandbox for a deep agent. */
export interface DeepagentsOptions {
  /**
   * Kills the commands that run: the framework hands its own signal to its model, and not to a backend.
   * Give the one that `invoke` is given.
   */
  readonly signal?: AbortSignal | undefined
}

/** The framework's code for an error of ours. Other errors are thrown. */
const codeOf = (error: unknown): FileOperationError => {
  if (error instanceof FileNotFound) return "file_not_found"
  if (error instanceof PermissionDenied) return "permission_denied"
  if (error instanceof NotAFile) return "is_directory"
  if (
    error instanceof InvalidPath ||
    error instanceof InvalidInput ||
    error instanceof NotADirectory
  ) {
    return "invalid_path"
  }
  throw error
}

/**
 * A sandbox as the backend of a deep agent: `backend` of `createDeepAgent`. The framework lists,
 * searches and reads lines through commands, which need `find`, `stat`, `grep` and `awk` in the
 * image.
 *
 * @example
 * import { DeepagentsSandbox } from "@cordon/slots/deepagents"
 * import { createDeepAgent } from "deepagents"
 *
 * const agent = createDeepAgent({
 *   model: "anthropic:claude-sonnet-4-5",
 *   backend: new DeepagentsSandbox(sandbox),
 * })
 */
export class DeepagentsSandbox extends BaseSandbox {
  readonly id: string
  readonly #sandbox: PromiseSandbox
  readonly #options: DeepagentsOptions

  constructor(sandbox: PromiseSandbox, options: DeepagentsOptions = {}) {
    super()
    this.id = sandbox.id
    this.#sandbox = sandbox
    this.#options = options
  }

  /** Runs a script of the shell, with the `execTimeout` of the sandbox's settings. */
  override async execute(command: string): Promise<ExecuteResponse> {
    const result = await this.#sandbox.exec(command, this.#options)
    const { stdout, exitCode, truncated } = result
    return { output: stdout + explainedStderr(result, this.#sandbox), exitCode, truncated }
  }

  /** Writes files, each by itself: what became of each is said. */
  override async uploadFiles(
    files: Array<[path: string, content: Uint8Array]>,
  ): Promise<Array<FileUploadResponse>> {
    const responses: Array<FileUploadResponse> = []
    for (const [path, content] of files) {
      const write = this.#sandbox.files.write(path, content, this.#options)
      responses.push({ path, error: await write.then(() => null, codeOf) })
    }
    return responses
  }

  /** Reads files, each by itself: what became of each is said. */
  override async downloadFiles(paths: Array<string>): Promise<Array<FileDownloadResponse>> {
    const responses: Array<FileDownloadResponse> = []
    for (const path of paths) {
      try {
        const content = await this.#sandbox.files.read(path, this.#options)
        responses.push({ path, content, error: null })
      } catch (error) {
        responses.push({ path, content: null, error: codeOf(error) })
      }
    }
    return responses
  }
}
