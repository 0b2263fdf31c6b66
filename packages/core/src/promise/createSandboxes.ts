import { randomUUID } from "node:crypto"
import { Layer, Logger, ManagedRuntime } from "effect"
import { leaseStoreMemory } from "../LeaseStore.ts"
import { Sandboxes } from "../Sandboxes.ts"
import { sessionFilesMemory } from "../session-files/memory.ts"
import type { CreateSandboxesOptions, PromiseSandboxes } from "./PromiseSandboxes.ts"
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
  return sessionOf(ManagedRuntime.make(layerSandboxes(options)), options.sessionId ?? randomUUID())
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
