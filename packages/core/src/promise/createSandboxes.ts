import { randomUUID } from "node:crypto"
import { Clock, Layer } from "effect"
import { HoldsProcess } from "../driver/HoldsProcess.ts"
import { checkInput } from "../input/checkInput.ts"
import { leaseStoreMemory } from "../leases/memoryStore.ts"
import { Sandboxes } from "../Sandboxes.ts"
import { sessionFilesMemory } from "../session-files/memory.ts"
import type { SettingsInput } from "../settings/SettingsInput.ts"
import { checkSettings } from "./checkSettings.ts"
import { idleClock } from "./idleClock.ts"
import { layerLogging } from "./logging.ts"
import type { CreateSandboxesOptions, PromiseSandboxes } from "./PromiseSandboxes.ts"
import { makePromiseRuntime } from "./runtime.ts"
import { rootSession, subjectOf } from "./session.ts"
import { createSandboxesShape } from "./shapes.ts"
import { storageOf } from "./storage.ts"

/**
 * Sandboxes for programs that do not use Effect. What needs no engine is looked at once: an option
 * that does not exist, or a setting that can't be, throws here. The first call looks for the engine.
 *
 * @example
 * import { createSandboxes } from "@cordon/core"
 * import { docker } from "@cordon/driver-docker"
 *
 * await using sandboxes = createSandboxes({ driver: docker() })
 * await using sandbox = await sandboxes.create()
 * const { stdout } = await sandbox.run("echo hello")
 */
export const createSandboxes = (options: CreateSandboxesOptions): PromiseSandboxes => {
  checkInput("options of createSandboxes", createSandboxesShape, options)
  checkSettings(options)
  const { sessionId = randomUUID(), files } = options
  const runtime = makePromiseRuntime(layerOf(options), subjectOf(sessionId), loggingOf(options))
  const settings = settingsOf(options)
  return rootSession({ runtime, sessionId, settings, storageOf: storageOf(files, runtime.scope) })
}

/**
 * What `createSandboxes` runs on, for other faces without Effect: nothing is logged unless asked for,
 * and nothing keeps the process alive.
 */
export const layerSandboxes = ({ files, ...options }: CreateSandboxesOptions) => {
  const storage = typeof files === "function" ? files(options.sessionId ?? randomUUID()) : files
  return Layer.merge(layerOf(options), storage ?? sessionFilesMemory)
}

const settingsOf = ({
  driver: _,
  egressBroker: __,
  sessionId: ___,
  files: ____,
  leaseStore: _____,
  logger: ______,
  logLevel: _______,
  ...settings
}: CreateSandboxesOptions): SettingsInput => settings

const loggingOf = ({ logger, logLevel }: CreateSandboxesOptions) =>
  layerLogging({ ...(logger && { logger }), ...(logLevel && { logLevel }) })

const layerOf = (options: CreateSandboxesOptions) => {
  const { driver, egressBroker = Layer.empty, leaseStore = leaseStoreMemory } = options
  return Sandboxes.layerStore(settingsOf(options)).pipe(
    Layer.provide(egressBroker),
    Layer.provide(driver),
    Layer.provide(leaseStore),
    Layer.provideMerge(loggingOf(options)),
    Layer.provideMerge(Layer.succeed(Clock.Clock, idleClock)),
    Layer.provideMerge(Layer.succeed(HoldsProcess, false)),
  )
}
