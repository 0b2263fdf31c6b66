import {
  type CreateOptions,
  type CreateSecrets,
  InvalidInput,
  type PromiseSandboxes,
} from "@cordon/core"
import {
  isNoopSnapshotSpec,
  Manifest,
  type ManifestInit,
  normalizeSandboxClientCreateArgs,
  type SandboxClient,
  type SandboxClientOptions,
  SandboxUnsupportedFeatureError,
} from "@openai/agents/sandbox"
import { unlessGone } from "../shared/absent.ts"
import { applyTo } from "./manifest.ts"
import {
  type OpenaiAgentsSession,
  type OpenaiAgentsSessionOptions,
  type OpenaiAgentsSessionState,
  sessionOver,
} from "./session.ts"

/** Options of sandboxes for the runs of agents. */
export interface OpenaiAgentsClientOptions extends OpenaiAgentsSessionOptions {
  /**
   * The session that owns the sandboxes. To resume in another process, give `createSandboxes` a
   * `sessionId` of your own and `removeOnClose: false`. Close it when you are done.
   */
  readonly sandboxes: PromiseSandboxes
  /** The options of each sandbox: its image, limits, network. Its working directory is the manifest's. */
  readonly create?: Omit<CreateOptions, "name" | "workdir"> & CreateSecrets
}

/** A client that makes, resumes and removes sandboxes. */
export type OpenaiAgentsClient = Required<
  Pick<
    SandboxClient<SandboxClientOptions, OpenaiAgentsSessionState>,
    | "backendId"
    | "canPersistOwnedSessionState"
    | "delete"
    | "deserializeSessionState"
    | "serializeSessionState"
  >
> & {
  /** Makes a sandbox and what the manifest says is in it. Snapshots of the framework are not supported. */
  readonly create: (
    ...args: Parameters<typeof normalizeSandboxClientCreateArgs>
  ) => Promise<OpenaiAgentsSession>
  /** Finds the sandbox of a run that waited, starts it where it is stopped, and goes on in it. */
  readonly resume: (state: OpenaiAgentsSessionState) => Promise<OpenaiAgentsSession>
}

/**
 * Makes sandboxes for the OpenAI Agents SDK: `sandbox: { client }` of `run`. Each run of a `SandboxAgent`
 * has a sandbox of its own, which is removed with the run; a run that waits for an approval keeps it, and
 * goes on in it in another process too.
 *
 * @example
 * import { openaiAgentsClient } from "@cordon/slots/openai-agents"
 * import { run } from "@openai/agents"
 * import { SandboxAgent } from "@openai/agents/sandbox"
 *
 * const agent = new SandboxAgent({ name: "Coder", model: "gpt-5" })
 * const client = openaiAgentsClient({ sandboxes, create: { image: "node:24" } })
 * await run(agent, "Write a program that sums numbers.", { sandbox: { client } })
 */
export const openaiAgentsClient = (options: OpenaiAgentsClientOptions): OpenaiAgentsClient => {
  const { sandboxes, create = {}, ports = [] } = options

  const find = async ({ sandbox }: OpenaiAgentsSessionState) => await sandboxes.get(sandbox)

  const client: OpenaiAgentsClient = {
    backendId: "cordon",
    create: async (...args) => {
      const { manifest, snapshot } = normalizeSandboxClientCreateArgs(...args)
      if (snapshot !== undefined && !isNoopSnapshotSpec(snapshot)) {
        throw new SandboxUnsupportedFeatureError(
          "A Cordon sandbox is kept as it is between runs; for its files, see its own snapshots.",
        )
      }
      const sandbox = await sandboxes.create({ ...create, workdir: manifest.root })
      try {
        const environment = await applyTo(sandbox, manifest)
        const state = { manifest, sandbox: sandbox.name, workspaceReady: true, environment }
        return sessionOver(sandbox, state, { ports, end: () => unlessGone(sandbox.remove()) })
      } catch (error) {
        await sandbox.remove().catch(() => {})
        throw error
      }
    },
    // It is removed with its run, unless the run waits for an approval.
    canPersistOwnedSessionState: () => false,
    // The framework keeps the manifest itself; variables are those of the program that resumes.
    serializeSessionState: async ({ sandbox }) => ({ sandbox }),
    deserializeSessionState: async ({ sandbox, manifest }) => stateOf(sandbox, manifest),
    resume: async (state) => {
      const sandbox = await find(state)
      if (sandbox.info.status !== "running") await sandbox.start()
      const environment = await state.manifest.resolveEnvironment()
      return sessionOver(
        sandbox,
        { ...state, environment: { ...environment, ...state.environment } },
        { ports, end: () => unlessGone(sandbox.remove()) },
      )
    },
    delete: async (state) => {
      await unlessGone(find(state).then((sandbox) => sandbox.remove()))
    },
  }
  return client
}

/** Whether a value is a manifest as the framework stores it. Its entries are not created again. */
const isManifest = (value: unknown): value is ManifestInit =>
  typeof value === "object" && value !== null && "root" in value

const stateOf = (sandbox: unknown, manifest: unknown): OpenaiAgentsSessionState => {
  if (typeof sandbox !== "string" || !isManifest(manifest)) {
    throw new InvalidInput({
      subject: "state of a sandbox session",
      issue: "it must have the sandbox's name and its manifest",
    })
  }
  return { sandbox, manifest: new Manifest(manifest), workspaceReady: true }
}
