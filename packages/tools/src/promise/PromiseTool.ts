/** The types of the tools for programs that do not use Effect. */
import type {
  CreateSandboxesOptions,
  PromiseSandbox,
  PromiseSandboxes,
  PromiseSessionOptions,
} from "@cordon/core"
import type { ToolCall } from "../AuditTrail.ts"
import type { ExtraTool } from "../extra.ts"
import type { SandboxToolName } from "../oneSandbox.ts"
import type { ToolProgress } from "../progress.ts"
import type { ToolInfo, ToolResult } from "../Tool.ts"
import type { AnyToolName, ToolName } from "../tools.ts"

/** A tool of a session, for programs that do not use Effect. */
export interface PromiseTool<Name extends AnyToolName = AnyToolName> extends ToolInfo {
  /** The name by which a model calls the tool. */
  readonly name: Name
  /**
   * Always resolves: a failure becomes a result. Only aborting `signal` rejects, with the signal's
   * reason, after everything that the call started (a command, a creation) has ended.
   *
   * @example
   * const result = await toolset.byName.sandbox_create.execute(
   *   { name: "web" },
   *   { signal: AbortSignal.timeout(60_000) },
   * )
   * console.log(result.ok, result.text)
   */
  readonly execute: (
    input: unknown,
    options?: {
      readonly signal?: AbortSignal | undefined
      /** Told of pulls of an image, and of the output of a command line by line. */
      readonly onProgress?: ((progress: ToolProgress) => void) | undefined
    },
  ) => Promise<ToolResult>
}

/** Tools as an agent framework is given them. */
export interface PromiseTools {
  /** The tools, in the order in which a model should see them. */
  readonly tools: ReadonlyArray<PromiseTool>
}

/** The tools of one session, the eight unless more were asked for, and the sandboxes that they are for. */
export interface PromiseToolset<Name extends AnyToolName = ToolName>
  extends PromiseTools,
    AsyncDisposable {
  /** The ID of the session that the tools act in. */
  readonly sessionId: string
  readonly tools: ReadonlyArray<PromiseTool<Name>>
  /** The same tools by their names. */
  readonly byName: Readonly<Record<Name, PromiseTool<Name>>>
  /** The session of the tools. The program can use the sandboxes that an agent creates. */
  readonly sandboxes: PromiseSandboxes
  /**
   * Removes the sandboxes that the tools made (unless `removeOnClose` is false), and lets go of what
   * was not given: calls that are under way end, later ones say that it is closed.
   *
   * @example
   * import { docker } from "@cordon/driver-docker"
   * import { createTools } from "@cordon/tools"
   *
   * const toolset = createTools({ driver: docker() })
   * await toolset.close()
   */
  readonly close: () => Promise<void>
}

/** The tools that act on one sandbox: run, read, write, upload and download, unless more were asked for. */
export interface PromiseSandboxToolset<Name extends AnyToolName = SandboxToolName>
  extends PromiseTools,
    AsyncDisposable {
  /** The ID of the session that the sandbox belongs to. */
  readonly sessionId: string
  readonly tools: ReadonlyArray<PromiseTool<Name>>
  /** The same tools by their names. */
  readonly byName: Readonly<Record<Name, PromiseTool<Name>>>
  /** The sandbox that the tools act on. */
  readonly sandbox: PromiseSandbox
  /**
   * Ends calls that are under way, and refuses later ones. The sandbox stays.
   *
   * @example
   * import { createTools } from "@cordon/tools"
   *
   * const toolset = createTools({ sandbox })
   * await toolset.close()
   */
  readonly close: () => Promise<void>
}

/** An audit trail of the calls. */
export interface Audited {
  /** Called for every call of a tool when it has ended: names, times and sizes, never contents. */
  readonly onToolCall?: ((call: ToolCall) => void) | undefined
}

/** The extra tools of a toolset. */
export interface ExtraTools<Extra extends ExtraTool = ExtraTool> {
  /**
   * Groups of tools: `edit`, `patch`, `glob`, `grep`, `processes`, `ports`, `shell`. None by default: each
   * tool costs a model attention.
   */
  readonly extra?: ReadonlyArray<Extra> | undefined
}

/** Tools that run on something of their own. */
export interface CreateToolsOptions<Extra extends ExtraTool = ExtraTool>
  extends CreateSandboxesOptions,
    Audited,
    ExtraTools<Extra> {}

/** Tools of one of many sessions that run on the same. */
export interface SharedToolsOptions<Extra extends ExtraTool = ExtraTool>
  extends PromiseSessionOptions,
    Audited,
    ExtraTools<Extra> {
  /** The result of `createSandboxes` or of its `session`. */
  readonly sandboxes: PromiseSandboxes
  /** The owner of the tools' sandboxes. Default: the session of `sandboxes`. */
  readonly sessionId?: string | undefined
}

/** Tools of one sandbox. */
export interface SandboxToolsOptions<Extra extends ExtraTool = ExtraTool>
  extends Audited,
    ExtraTools<Extra> {
  /** A ready one, that `create` or `get` returned. */
  readonly sandbox: PromiseSandbox
}
