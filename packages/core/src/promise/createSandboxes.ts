import { randomUUID } from "node:crypto"
import { Layer, Logger } from "effect"
import { leaseStoreMemory } from "../leases/memoryStore.ts"
import { Sandboxes } from "../Sandboxes.ts"
import { sessionFilesMemory } from "../session-files/memory.ts"
import type { CreateSandboxesOptions, PromiseSandboxes } from "./PromiseSandboxes.ts"
import { makePromiseRuntime } from "./runtime.ts"
import { sessionOf } from "./session.ts"

/**
 * Sandboxes for programs that do not use Effect.
 *
 * @example
 * await using sandboxes = createSandboxes({ driver: docker() })
 * await using sandbox = await sandboxes.create()
 * const { stdout } = await sandbox.run("echo hello")
 */
export const createSandboxes = (options: CreateSandboxesOptions): PromiseSandboxes => {
  const { sessionId = randomUUID() } = options
  const subject = `session ${JSON.stringify(sessionId)}`
  return sessionOf(makePromiseRuntime(layerSandboxes(options), subject), sessionId)
}

/**
 * What `createSandboxes` runs on, for other faces without Effect. Logs go to standard error:
 * standard output is the program's own, and often a protocol's.
 */
export const layerSandboxes = ({
  driver,
  sessionId: _,
  files = sessionFilesMemory,
  leaseStore = leaseStoreMemory,
  ...settings
}: CreateSandboxesOptions) =>
  Sandboxes.layerStore(settings).pipe(
    Layer.provide(driver),
    Layer.provide(leaseStore),
    Layer.provideMerge(files),
    Layer.provideMerge(Layer.succeed(Logger.LogToStderr, true)),
  )
