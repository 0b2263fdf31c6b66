import { randomUUID } from "node:crypto"
import { Clock, Layer } from "effect"
import { HoldsProcess } from "../HoldsProcess.ts"
import { leaseStoreMemory } from "../leases/memoryStore.ts"
import { Sandboxes } from "../Sandboxes.ts"
import { sessionFilesMemory } from "../session-files/memory.ts"
import { idleClock } from "./idleClock.ts"
import { layerLogging } from "./logging.ts"
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
 * What `createSandboxes` runs on, for other faces without Effect: nothing is logged unless asked for,
 * and nothing keeps the process alive.
 */
export const layerSandboxes = ({
  driver,
  sessionId: _,
  files = sessionFilesMemory,
  leaseStore = leaseStoreMemory,
  logger,
  logLevel,
  ...settings
}: CreateSandboxesOptions) =>
  Sandboxes.layerStore(settings).pipe(
    Layer.provide(driver),
    Layer.provide(leaseStore),
    Layer.provideMerge(files),
    Layer.provideMerge(layerLogging({ ...(logger && { logger }), ...(logLevel && { logLevel }) })),
    Layer.provideMerge(Layer.succeed(Clock.Clock, idleClock)),
    Layer.provideMerge(Layer.succeed(HoldsProcess, false)),
  )
