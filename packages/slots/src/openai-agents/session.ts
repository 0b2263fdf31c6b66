import { InvalidInput, type PromiseSandbox } from "@cordon/core"
import { Manifest, type SandboxSession, type SandboxSessionState } from "@openai/agents/sandbox"
import { openPorts } from "../shared/ports.ts"
import { worded } from "./answer.ts"
import { makeCommands } from "./commands.ts"
import { editorOf } from "./editor.ts"
import { imageOf } from "./image.ts"
import { applyTo, materialize, merged } from "./manifest.ts"

/** The part of a session that is kept when a run is serialised. */
export interface OpenaiAgentsSessionState extends SandboxSessionState {
  /** The sandbox's name in its Cordon session. */
  sandbox: string
}

/** A session with all that a sandbox can do for it. */
export type OpenaiAgentsSession = Required<
  Pick<
    SandboxSession<OpenaiAgentsSessionState>,
    | "state"
    | "start"
    | "running"
    | "createEditor"
    | "exec"
    | "execCommand"
    | "writeStdin"
    | "supportsPty"
    | "viewImage"
    | "readFile"
    | "listDir"
    | "pathExists"
    | "directoryExists"
    | "materializeEntry"
    | "applyManifest"
    | "resolveExposedPort"
    | "close"
  >
>

/** Options of a session: its reachable ports. */
export interface OpenaiAgentsSessionOptions {
  /** Ports of the sandbox that this machine may connect to, on 127.0.0.1. Default: none. */
  readonly ports?: ReadonlyArray<number>
}

const asOwner = (runAs: string | undefined): void => {
  if (runAs === undefined) return
  throw new InvalidInput({
    subject: "runAs",
    issue:
      "file operations run as the sandbox's own user; create the sandbox with the user that you need",
  })
}

/** A session that does `end` when it is closed. */
export const sessionOver = (
  sandbox: PromiseSandbox,
  state: OpenaiAgentsSessionState,
  { ports: allowed = [], end }: OpenaiAgentsSessionOptions & { readonly end: () => Promise<void> },
): OpenaiAgentsSession => {
  const { files } = sandbox
  const ports = openPorts(sandbox, allowed)
  const commands = makeCommands(sandbox, () => state.environment ?? {})
  const exec: OpenaiAgentsSession["exec"] = async (args) => {
    const { both, ...answer } = await commands.exec(args)
    return { output: both, ...answer }
  }
  let closing: Promise<void> | undefined
  return {
    state,
    start: () => sandbox.start(),
    running: async () => (await sandbox.inspect()).status === "running",
    createEditor: (runAs) => {
      asOwner(runAs)
      return editorOf(sandbox)
    },
    exec,
    execCommand: async (args) => worded(await commands.exec(args)),
    writeStdin: commands.writeStdin,
    supportsPty: () => true,
    viewImage: async ({ path, runAs }) => {
      asOwner(runAs)
      return await imageOf(sandbox, path)
    },
    readFile: async ({ path, runAs, maxBytes }) => {
      asOwner(runAs)
      return await files.read(path, { length: maxBytes })
    },
    listDir: async ({ path, runAs }) => {
      asOwner(runAs)
      const entries = await files.list(path)
      return entries.map(({ name, kind }) => ({
        name,
        path: `${path === "" || path === "." ? "" : `${path.replace(/\/+$/, "")}/`}${name}`,
        type: kind === "directory" ? "dir" : kind === "file" ? "file" : "other",
      }))
    },
    pathExists: async (path, runAs) => {
      asOwner(runAs)
      return await files.exists(path)
    },
    directoryExists: async (path, runAs) => {
      asOwner(runAs)
      return (await files.exists(path)) && (await files.stat(path)).kind === "directory"
    },
    materializeEntry: async ({ path, entry, runAs }) => {
      asOwner(runAs)
      await materialize(sandbox, path, entry)
      state.manifest = merged(state.manifest, { entries: { [path]: entry }, environment: {} })
    },
    applyManifest: async (manifest, runAs) => {
      asOwner(runAs)
      const environment = await applyTo(sandbox, manifest)
      state.environment = { ...state.environment, ...environment }
      state.manifest = merged(state.manifest, manifest)
    },
    resolveExposedPort: async (port) => {
      const [host = "", local] = (await ports.open(port)).split(":")
      // Not stored in the state: another process opens its own connection.
      return { host, port: Number(local), tls: false }
    },
    close: () => {
      closing ??= Promise.all([commands.close(), ports.close()]).then(end)
      return closing
    },
  }
}

/**
 * A sandbox for the OpenAI Agents SDK: `sandbox: { session }` of `run`. The manifest of the agent is made
 * in its working directory. `close` ends the commands that its tools started; the sandbox stays.
 *
 * @example
 * import { openaiAgentsSession } from "@cordon/slots/openai-agents"
 * import { run } from "@openai/agents"
 * import { SandboxAgent } from "@openai/agents/sandbox"
 *
 * const agent = new SandboxAgent({ name: "Coder", model: "gpt-5" })
 * const session = openaiAgentsSession(sandbox)
 * await run(agent, "Write a program that sums numbers.", { sandbox: { session } })
 */
export const openaiAgentsSession = (
  sandbox: PromiseSandbox,
  options: OpenaiAgentsSessionOptions = {},
): OpenaiAgentsSession => {
  const manifest = new Manifest({ root: sandbox.info.workdir })
  const state = { manifest, sandbox: sandbox.name, workspaceReady: true, environment: {} }
  return sessionOver(sandbox, state, { ...options, end: async () => {} })
}
