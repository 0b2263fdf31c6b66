import { Effect, flow } from "effect"
import { Incarnation } from "../driver/Incarnation.ts"
import { Unsupported } from "../errors.ts"
import { readyBy, type SandboxContext, type Use } from "../sandbox/context.ts"
import { makePaths } from "../sandbox/files/paths.ts"
import type { SandboxInfo } from "../values/Sandbox.ts"
import { forget, type SessionContext } from "./context.ts"

/** The context of one sandbox of a session. */
export const makeSandboxContext = (session: SessionContext, info: SandboxInfo): SandboxContext => {
  const { driver, leases, settings, owner, capabilities, secrets, waysOut } = session
  const { whileOpen, streamWhileOpen, disown } = owner
  const { id, instanceId, workdir } = info
  const use: Use = flow(leases.use(info), whileOpen)
  const ask: SandboxContext["ask"] = flow(leases.ask(info), whileOpen)
  return {
    driver,
    settings,
    info,
    id,
    use,
    useStream: flow(leases.useStream(info), streamWhileOpen),
    useFor: (timeout) => flow(leases.use(info, readyBy(timeout)), whileOpen),
    useStreamFor: (timeout) => flow(leases.useStream(info, readyBy(timeout)), streamWhileOpen),
    ask,
    askIncarnation: (question) => ask(Effect.provideService(question, Incarnation, info)),
    whileOpen,
    streamWhileOpen,
    lifecycle: {
      extend: (milliseconds) => whileOpen(leases.extend(info, milliseconds)),
      start: whileOpen(leases.start(info)),
      stop: whileOpen(leases.stop(info)),
      remove: whileOpen(leases.remove(info)).pipe(
        Effect.tap(Effect.sync(() => disown(info))),
        Effect.tap(forget(session, info)),
      ),
    },
    at: makePaths((user) => use(driver.identify(id, user)), workdir),
    need: Effect.fnUntraced(function* (feature) {
      const { driver, features } = yield* capabilities
      if (!features.includes(feature)) return yield* new Unsupported({ feature, driver })
    }),
    waysOut,
    secrets: () => secrets.get(instanceId) ?? {},
  }
}
