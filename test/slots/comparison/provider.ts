import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createSandboxes, type PromiseSandboxes } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import Dockerode from "dockerode"
import { noEngine, socketPath } from "../../support/docker.ts"
import { isOnPath } from "../../support/machine.ts"
import { needs } from "../../support/skips.ts"
import { image } from "../suite.ts"

/** Why the providers of frameworks can't run here; undefined where they can. */
export const noProviders =
  noEngine ??
  (isOnPath("docker")
    ? undefined
    : needs("a Docker Engine", "the providers of frameworks run the docker command"))

// The frameworks' providers ask the engine that Docker's own client asks: it has to be the tests' one.
process.env["DOCKER_HOST"] = `unix://${socketPath}`

export const engine = new Dockerode({ socketPath })

/** What a command of a sandbox came to. */
export interface Outcome {
  readonly exitCode: number | undefined
  readonly stdout: string
  readonly stderr: string
}

/** A sandbox, as its framework uses it. */
export interface Opened extends AsyncDisposable {
  /** The ID or the name of its container. */
  readonly container: string
  readonly run: (command: string) => Promise<Outcome>
  /** Runs a command and has the framework stop it after so many milliseconds, as its tools would. */
  readonly stopAfter: (command: string, milliseconds: number) => Promise<void>
}

/** What a sandbox is made with, beside the image. */
export interface Setting {
  /** Labels the containers of foreign providers, which are removed by it in the end. */
  readonly mark: string
  /** For what a provider keeps on this machine. */
  readonly folder: string
  /** Variables for the sandbox, one of them a secret. */
  readonly env: Readonly<Record<string, string>>
  readonly sessionId: string
  /** Milliseconds after which a sandbox of ours that nobody uses is removed. */
  readonly removeTimeout?: number
}

/** A framework with a Docker provider of its own. */
export interface Framework {
  readonly name: string
  /** The package that the provider is in. */
  readonly provider: string
  readonly theirs: (setting: Setting) => Promise<Opened>
  readonly ours: (setting: Setting, sandboxes: PromiseSandboxes) => Promise<Opened>
}

export const label = "cordon-comparison"

/** Makes a sandbox of ours, with the defaults of Cordon. */
export const openOurs = async ({ ours }: Framework, setting: Setting): Promise<Opened> => {
  const { sessionId, removeTimeout } = setting
  const sandboxes = createSandboxes({
    driver: docker(),
    image,
    sessionId,
    ...(removeTimeout === undefined ? {} : { idleTimeout: removeTimeout, removeTimeout }),
  })
  try {
    const opened = await ours(setting, sandboxes)
    return { ...opened, [Symbol.asyncDispose]: () => sandboxes.close() }
  } catch (error) {
    await sandboxes.close()
    throw error
  }
}

/** A place for foreign providers, which is left empty whatever they leave behind. */
export const makePlace = (mark: string) => {
  const folder = mkdtempSync(join(tmpdir(), "cordon-comparison-"))
  const filters = { label: [`${label}=${mark}`] }
  const containers = () => engine.listContainers({ all: true, filters })
  return {
    folder,
    containers,
    [Symbol.asyncDispose]: async () => {
      for (const { Id } of await containers()) {
        await engine.getContainer(Id).remove({ force: true, v: true })
      }
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
