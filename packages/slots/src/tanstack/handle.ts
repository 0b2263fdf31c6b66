import { randomBytes } from "node:crypto"
import { constants } from "node:os"
import type { CloneOptions, PromiseSandbox, Signal } from "@cordon/core"
import {
  createExecBackedGit,
  type ProcessOptions,
  type SandboxCapabilities,
  type SandboxChannel,
  type SandboxFs,
  type SandboxGit,
  type SandboxHandle,
  type SandboxProcess,
  type SpawnHandle,
} from "@tanstack/ai-sandbox"
import { unlessGone } from "../shared/absent.ts"
import { explainedStderr } from "../shared/outcome.ts"
import { openPorts } from "../shared/ports.ts"
import { startProcess } from "../shared/process.ts"

const watchOf = ({ files }: PromiseSandbox): NonNullable<SandboxFs["watch"]> => {
  const types = { Created: "create", Changed: "change", Removed: "delete" } as const
  return async (path, onEvent) => {
    const events = files.watch(path)[Symbol.asyncIterator]()
    // The first event confirms the watch.
    await events.next()
    const tell = async () => {
      while (true) {
        const { done, value } = await events.next()
        if (done) return
        if (value._tag !== "Ready") {
          onEvent({ type: types[value._tag], path: value.entry.path })
        }
      }
    }
    const told = tell().catch(() => {})
    return {
      stop: async () => {
        await events.return?.()
        await told
      },
    }
  }
}

const filesOf = (sandbox: PromiseSandbox): SandboxFs => {
  const { files } = sandbox
  return {
    read: (path) => files.readText(path),
    readBytes: (path) => files.read(path),
    write: (path, data) => files.write(path, data),
    list: async (path) =>
      (await files.list(path)).map(({ name, path, kind }) => ({
        name,
        path,
        type: kind === "directory" ? "dir" : "file",
      })),
    mkdir: (path) => files.makeDirectory(path),
    remove: async (path) => {
      if (await files.exists(path)) await files.remove(path, { recursive: true })
    },
    rename: (from, to) => files.move(from, to),
    exists: (path) => files.exists(path),
    watch: watchOf(sandbox),
  }
}

/** Signals that need not end a process. */
const mild = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const satisfies Array<Signal>

// TanStack identifies processes by numbers; a sandbox's processes have names.
let processes = 0

const processOf = (
  sandbox: PromiseSandbox,
  environment: Readonly<Record<string, string>>,
): SandboxProcess => {
  const placed = ({ cwd, env, signal }: ProcessOptions = {}) => ({
    env: { ...environment, ...env },
    cwd,
    signal,
  })
  return {
    exec: async (command, options) => {
      const result = await sandbox.exec(command, placed(options))
      const { stdout, exitCode } = result
      return { stdout, stderr: explainedStderr(result, sandbox), exitCode }
    },
    spawn: async (command, options): Promise<SpawnHandle> => {
      const started = await startProcess(sandbox, command, { ...placed(options), stdin: true })
      const stdin = started.stdin?.getWriter()
      const encoder = new TextEncoder()
      processes += 1
      return {
        pid: processes,
        stdout: textOf(started.stdout),
        stderr: textOf(started.stderr),
        stdin: {
          write: async (data) => stdin?.write(encoder.encode(data)),
          end: async () => stdin?.close(),
        },
        wait: started.wait,
        kill: (signal) => {
          const name = mild.find((one) => one === signal || constants.signals[one] === signal)
          if (name !== undefined) return started.send(name)
          return signal === "SIGKILL" || signal === 9 ? started.killNow() : started.kill()
        },
      }
    },
  }
}

const textOf = (bytes: ReadableStream<Uint8Array>): AsyncIterable<string> =>
  (async function* () {
    const decoder = new TextDecoder()
    for await (const piece of bytes) yield decoder.decode(piece, { stream: true })
  })()

type Clone = Omit<Parameters<SandboxGit["clone"]>[0], "dir">

const cloneOptions = ({ ref, auth, depth = 1 }: Clone): CloneOptions => ({
  branch: ref,
  depth: depth === "full" ? undefined : depth,
  credentials: auth && { password: auth.token, username: auth.username },
})

/** Clones into a folder; also into an empty one that is there, as the working directory is. */
const clone = async ({ files, git }: PromiseSandbox, dir: string, input: Clone): Promise<void> => {
  const options = cloneOptions(input)
  const isEmpty = (await files.exists(dir)) && (await files.list(dir)).length === 0
  if (!isEmpty) {
    await git.clone(input.url, { ...options, directory: dir })
    return
  }
  const aside = `${dir}/.clone-${randomBytes(4).toString("hex")}`
  try {
    await git.clone(input.url, { ...options, directory: aside })
    for (const { name, path } of await files.list(aside)) await files.move(path, `${dir}/${name}`)
  } finally {
    if (await files.exists(aside)) await files.remove(aside, { recursive: true })
  }
}

/** Options of a handle. */
export interface HandleOptions {
  readonly capabilities: SandboxCapabilities
  readonly ports: ReadonlyArray<number>
}

/** A sandbox as the framework's contract has it. */
export const handleOf = (sandbox: PromiseSandbox, options: HandleOptions): SandboxHandle => {
  const { capabilities } = options
  const environment: Record<string, string> = {}
  const ports = openPorts(sandbox, options.ports)
  const process = processOf(sandbox, environment)
  const git = createExecBackedGit(process, sandbox.info.workdir)
  const snapshot = async (label?: string) => {
    const { name } = await sandbox.snapshot()
    return { id: name, ...(label === undefined ? {} : { label }) }
  }
  return {
    id: sandbox.name,
    provider: "cordon",
    workspaceRoot: sandbox.info.workdir,
    capabilities,
    fs: filesOf(sandbox),
    process,
    // Cordon's own clone keeps credentials out of the sandbox's files, and leaves nothing after a failure.
    git: {
      ...git,
      clone: ({ dir = sandbox.info.workdir, ...input }) => clone(sandbox, dir, input),
    },
    ports: {
      connect: async (port): Promise<SandboxChannel> => ({
        url: `http://${await ports.open(port)}`,
      }),
    },
    env: {
      set: async (vars) => {
        Object.assign(environment, vars)
      },
    },
    ...(capabilities.snapshots ? { snapshot } : {}),
    destroy: async () => {
      await ports.close()
      await unlessGone(sandbox.remove())
    },
  }
}
