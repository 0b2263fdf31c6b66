import { randomUUID } from "node:crypto"
import { createSandboxes, type PromiseSandboxes } from "@cordon/core"
import { egressBroker } from "@cordon/egress"
import { Effect, Equal, Exit, RcMap, Scope } from "effect"
import { engine } from "./engine.ts"
import type { SandboxPlace, SandboxSettings } from "./options.ts"

/** The settings that sandboxes on a shared connection have in common. */
interface Host extends SandboxSettings {
  readonly driver: NonNullable<SandboxPlace["driver"]>
}

/** A box's hold on a session and on the host's connection. */
export interface Hold {
  readonly session: PromiseSandboxes
  /**
   * Ends operations in progress and releases the host. The last release closes the host. No effect
   * when repeated.
   */
  readonly release: () => Promise<void>
  /** Makes another hold on the same session. */
  readonly another: () => Promise<Hold>
}

/** Its parts are loaded with the first sandbox that has egress rules. */
const broker = egressBroker()

/**
 * The open hosts, each for as long as somebody holds it. The end of a session removes no sandboxes:
 * their creators do.
 */
const hosts = Effect.runSync(
  Scope.provide(
    RcMap.make({
      lookup: (host: Host) =>
        Effect.acquireRelease(
          Effect.sync(() =>
            createSandboxes({ egressBroker: broker, ...host, removeOnClose: false }),
          ),
          (sandboxes) => Effect.promise(() => sandboxes.close()),
        ),
    }),
    Scope.makeUnsafe(),
  ),
)

/** The default session. No other program has it, since nobody can guess it. */
const ownSession = randomUUID()

/** Layers and logs are compared by identity. */
const hostOf = ({ driver = engine, settings = {} }: SandboxPlace): Host => {
  for (const value of [
    driver,
    settings.egressBroker,
    settings.files,
    settings.leaseStore,
    settings.logger,
  ]) {
    if (value !== undefined) Equal.byReferenceUnsafe(value)
  }
  return { ...settings, driver }
}

const take = async (host: Host, sessionId: string): Promise<Hold> => {
  const scope = Scope.makeUnsafe()
  const letGo = () => Effect.runPromise(Scope.close(scope, Exit.void))
  try {
    const sandboxes = await Effect.runPromise(Scope.provide(RcMap.get(hosts, host), scope))
    const session = sandboxes.session(sessionId, { removeOnClose: false })
    return {
      session,
      release: () => session.close().finally(letGo),
      another: () => take(host, sessionId),
    }
  } catch (error) {
    await letGo()
    throw error
  }
}

/** Shares the host of a place, and opens a session on it. */
export const hold = async (place: SandboxPlace): Promise<Hold> => {
  place.signal?.throwIfAborted()
  return take(hostOf(place), place.session ?? ownSession)
}
