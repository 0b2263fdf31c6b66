import { randomUUID } from "node:crypto"
import { checkInput, optionNames, SandboxDriver, unsupportedFeatures } from "@cordon/core"
import { DateTime, Effect, Layer } from "effect"
import { capabilities } from "./capabilities.ts"
import { commandMembers } from "./commands.ts"
import { type MemoryOptions, makeCreate } from "./create.ts"
import { fileMembers } from "./files/members.ts"
import { makeSandboxes } from "./sandboxes.ts"

const shape = optionNames<MemoryOptions>({ images: true, maxFileBytes: true })

/**
 * Sandboxes in this process's memory: scripts really run, on a virtual file system, in a maintained
 * bash interpreter. For development without an engine, and for tests; see its `caveats`.
 *
 * @example
 * import { Sandboxes } from "@cordon/core"
 * import { layer } from "@cordon/driver-memory"
 * import { Layer } from "effect"
 *
 * const layerTest = Layer.provide(Sandboxes.layer(), layer())
 */
export const layer = (options: MemoryOptions = {}): Layer.Layer<SandboxDriver> => {
  checkInput("options of memory()", shape, options)
  return Layer.effect(SandboxDriver, makeDriver(options))
}

const makeDriver = Effect.fnUntraced(function* (options: MemoryOptions) {
  const sandboxes = yield* makeSandboxes
  const { find, findRunning, start, stop, remove, inspect, list, events } = sandboxes
  const hostId = randomUUID()

  return SandboxDriver.of({
    ...unsupportedFeatures("memory"),
    ...commandMembers(sandboxes),
    ...fileMembers(sandboxes),
    capabilities: Effect.succeed({ ...capabilities, hostId }),
    create: makeCreate(sandboxes, options),
    start,
    stop,
    remove,
    inspect,
    list,
    stats: Effect.fnUntraced(function* (id) {
      yield* findRunning(id)
      return {
        readAt: DateTime.toDate(yield* DateTime.now),
        // All of it is in this process's memory.
        disk: { read: 0, written: 0 },
        network: { received: 0, sent: 0 },
      }
    }),
    egressAttempts: (id) => Effect.as(find(id), []),
    events,
    sweep: () => Effect.succeed([]),
  })
})

/**
 * The driver for `createSandboxes({ driver: memory() })`; the same as {@link layer}.
 *
 * @example
 * import { createSandboxes } from "@cordon/core"
 * import { memory } from "@cordon/driver-memory"
 *
 * await using sandboxes = createSandboxes({ driver: memory() })
 */
export const memory = layer
