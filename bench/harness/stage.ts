import { spawnSync } from "node:child_process"
import { mkdtemp, rm } from "node:fs/promises"
import { cpus, tmpdir, totalmem } from "node:os"
import { join } from "node:path"
import {
  type CreateSandboxesOptions,
  createSandboxes,
  type PromiseSandboxes,
  type Runtime,
  sessionFilesDirectory,
} from "@cordon/core"
import { type DockerOptions, docker, findEndpoint } from "@cordon/driver-docker"
import { defaultRuntimeNames } from "@cordon/driver-docker/sandbox"
import { Effect } from "effect"
import { RawEngine } from "../peers/RawEngine.ts"

/** The resources of every case. */
export interface Stage {
  /** Whether this run only shows that the benchmarks work. */
  readonly quick: boolean
  /** Rounds that count, if given; otherwise each benchmark has its own number. */
  readonly rounds: number | undefined
  readonly image: string
  readonly socketPath: string
  readonly host: string
  readonly runtimes: ReadonlyArray<Runtime>
  /** The engine's name of a runtime. */
  readonly runtimeName: (runtime: Runtime) => string
  /** A folder for this run; also the session storage of cases that transfer files. */
  readonly folder: string
  /** Whether there is a `docker` command for comparison. */
  readonly hasCli: boolean
  readonly raw: RawEngine
  /** The sandboxes of a new session, as a program gets them, until the stack is disposed. */
  readonly sandboxes: (
    stack: AsyncDisposableStack,
    options?: Partial<CreateSandboxesOptions>,
    driver?: DockerOptions,
  ) => PromiseSandboxes
}

export const makeStage = async (
  { quick, rounds }: { readonly quick: boolean; readonly rounds?: string | undefined },
  stack: AsyncDisposableStack,
): Promise<Stage> => {
  const { host } = await Effect.runPromise(findEndpoint())
  if (!host.startsWith("unix://")) throw new Error(`${host} is no local socket`)
  const socketPath = host.replace("unix://", "")
  const image = process.env["CONTAINER_SANDBOX_IMAGE"] ?? "ubuntu:24.04"
  const folder = await mkdtemp(join(tmpdir(), "cordon-bench-"))
  stack.defer(() => rm(folder, { recursive: true, force: true }))
  const raw = new RawEngine(socketPath)
  stack.defer(() => raw.close())
  const version = await raw.version()
  await using probe = createSandboxes({ driver: docker({ host }) })
  const { runtimes } = await probe.capabilities()
  const registered: { readonly Runtimes?: object } = JSON.parse(await raw.call("GET", "/info"))
  const registeredNames = Object.keys(registered.Runtimes ?? {})
  const cores = cpus()
  return {
    quick,
    rounds: rounds === undefined ? undefined : Number(rounds),
    image,
    socketPath,
    host: `${cores.length} cores (${cores[0]?.model.trim() ?? "unknown"}), ${Math.round(totalmem() / 2 ** 30)} GiB, Docker Engine ${version}, Node ${process.versions.node}, image ${image}`,
    folder,
    hasCli: spawnSync("docker", ["--version"]).status === 0,
    raw,
    runtimes: runtimes.map(({ runtime }) => runtime),
    runtimeName: (runtime) =>
      defaultRuntimeNames[runtime].find((name) => registeredNames.includes(name)) ?? runtime,
    sandboxes: (stack, options = {}, driver = {}) =>
      stack.use(
        createSandboxes({
          driver: docker({ host, ...driver }),
          image,
          maxSandboxes: 1000,
          files: sessionFilesDirectory(folder),
          ...options,
        }),
      ),
  }
}
