import { Effect } from "effect"
import { usage } from "../init/processes.ts"
import type { Connections } from "./connections.ts"

/** The init's report of how a running sandbox is used; none if the init does not answer within 5 seconds. */
export const makeUsageOf = (connections: Connections) =>
  Effect.fnUntraced(
    function* (instanceId: string) {
      const { init } = yield* connections.of(instanceId)
      const isOurs = init.isBusy
      const { open, quiet } = yield* usage(init)
      return { busy: isOurs || open > 0, unusedElsewhereFor: quiet }
    },
    Effect.scoped,
    Effect.timeout("5 seconds"),
    Effect.orElseSucceed(() => ({})),
  )

/** Whether a sandbox has no command, file operation or kept process. */
export const makeIsIdle = (connections: Connections) => (instanceId: string) =>
  Effect.gen(function* () {
    const { init } = yield* connections.of(instanceId)
    const { open, keptRunning } = yield* usage(init)
    return open === 0 && keptRunning === 0 && !init.isBusy
  }).pipe(Effect.scoped)
