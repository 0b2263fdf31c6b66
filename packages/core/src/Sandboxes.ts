import { Context, Duration, Effect, Exit, Layer, Schema, type Scope } from "effect"
import type { DriverCapabilities } from "./driver/capabilities.ts"
import { makeWaysOut } from "./egress/waysOut.ts"
import {
  type Closed,
  type HostError,
  type InvalidInput,
  type InvalidLimits,
  invalidInput,
} from "./errors.ts"
import type { LeaseStore } from "./LeaseStore.ts"
import { Leases } from "./Leases.ts"
import { leaseStoreMemory } from "./leases/memoryStore.ts"
import type { Policy } from "./Policy.ts"
import { SandboxDriver } from "./SandboxDriver.ts"
import { Settings } from "./Settings.ts"
import type { SharedContext } from "./session/context.ts"
import { openOwner } from "./session/Owner.ts"
import { makeRemoveOnClosing } from "./session/removeOnClosing.ts"
import type { SandboxSession, SessionOptions } from "./session/SandboxSession.ts"
import { makeSession } from "./session/session.ts"
import { makeUnenforcedWarning } from "./session/unenforced.ts"
import type { SettingsInput } from "./settings/SettingsInput.ts"
import { isEgressRules } from "./values/EgressRules.ts"
import { SessionId, sessionKey } from "./values/Session.ts"

/**
 * What a program uses: sandboxes by session.
 *
 * @example
 * import { Sandboxes } from "@cordon/core"
 * import { docker } from "@cordon/driver-docker"
 * import { Console, Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const sandboxes = yield* Sandboxes
 *   const session = yield* sandboxes.openSession("user-1")
 *   const sandbox = yield* session.create()
 *   const { stdout } = yield* sandbox.exec("uname -s")
 *   yield* Console.log(stdout)
 * }).pipe(Effect.scoped)
 *
 * await Effect.runPromise(Effect.provide(program, Layer.provide(Sandboxes.layer(), docker())))
 */
export class Sandboxes extends Context.Service<
  Sandboxes,
  {
    /**
     * Gives the sandboxes of a session. What is created through it is removed when these `Sandboxes`
     * close, unless `Settings.removeOnClose` is false.
     *
     * @example
     * const sandboxes = yield* Sandboxes
     * const session = yield* sandboxes.session("user-1")
     */
    readonly session: (id: string) => Effect.Effect<SandboxSession, InvalidInput>
    /**
     * As `session`, until the scope closes. Closing breaks off the session's calls, removes what was
     * created through it and nothing else, and refuses later calls with `Closed`. The same ID may be
     * opened several times, also at once: each removes only what was created through itself.
     *
     * @example
     * const sandboxes = yield* Sandboxes
     * const session = yield* sandboxes.openSession("user-1", { removeOnClose: false })
     */
    readonly openSession: (
      id: string,
      options?: SessionOptions,
    ) => Effect.Effect<SandboxSession, InvalidInput, Scope.Scope>
    /**
     * What the host offers. The answer may be a minute old.
     *
     * @example
     * const sandboxes = yield* Sandboxes
     * const { runtimes, features } = yield* sandboxes.capabilities
     */
    readonly capabilities: Effect.Effect<DriverCapabilities, HostError | Closed>
    /** The most that a creation may ask for. */
    readonly policy: Policy
  }
>()("@cordon/core/Sandboxes") {
  /**
   * With leases and a lease store of the program's own.
   *
   * @example
   * import { Leases, leaseStoreMemory, Sandboxes, Settings } from "@cordon/core"
   * import { docker } from "@cordon/driver-docker"
   * import { Layer } from "effect"
   *
   * const layer = Sandboxes.layerLeases.pipe(
   *   Layer.provideMerge(Leases.layer),
   *   Layer.provide([Settings.layer(), docker(), leaseStoreMemory]),
   * )
   */
  static readonly layerLeases: Layer.Layer<
    Sandboxes,
    InvalidInput,
    SandboxDriver | Leases | Settings
  > = Layer.effect(
    Sandboxes,
    Effect.suspend(() => make),
  )

  /**
   * With a lease store of the program's own.
   *
   * @example
   * import { Sandboxes } from "@cordon/core"
   * import { docker } from "@cordon/driver-docker"
   * import { postgres } from "@cordon/lease-store-postgres"
   * import { Layer } from "effect"
   *
   * const leases = postgres({ url: "postgres://cordon@localhost/cordon" })
   * const layer = Layer.provide(Sandboxes.layerStore(), [docker(), leases])
   */
  static readonly layerStore = (
    settings: SettingsInput = {},
  ): Layer.Layer<Sandboxes, InvalidInput | InvalidLimits, SandboxDriver | LeaseStore> =>
    Sandboxes.layerLeases.pipe(Layer.provide(Leases.layer), Layer.provide(Settings.layer(settings)))

  /**
   * With leases in memory: all that a single process needs beside a driver.
   *
   * @example
   * import { Sandboxes } from "@cordon/core"
   * import { docker } from "@cordon/driver-docker"
   * import { Layer } from "effect"
   *
   * const layer = Layer.provide(Sandboxes.layer({ limits: { memory: "1GiB" } }), docker())
   */
  static readonly layer = (
    settings: SettingsInput = {},
  ): Layer.Layer<Sandboxes, InvalidInput | InvalidLimits, SandboxDriver> =>
    Layer.provide(Sandboxes.layerStore(settings), leaseStoreMemory)

  /**
   * Creates a sandbox that is removed with the scope.
   *
   * @example
   * const sandbox = yield* Sandboxes.scoped(session, { image: "python:3.13" })
   * yield* sandbox.run("python3 --version")
   */
  static readonly scoped = (
    session: SandboxSession,
    options?: Parameters<SandboxSession["create"]>[0],
  ) =>
    Effect.acquireRelease(session.create(options), (sandbox) =>
      sandbox.remove.pipe(
        Effect.catchTag("SandboxNotFound", () => Effect.void),
        Effect.catch((error) =>
          Effect.logWarning("Could not remove a sandbox", { sandbox: sandbox.id, error }),
        ),
      ),
    )
}

const keyOf = (id: string) =>
  Schema.decodeUnknownEffect(SessionId)(id).pipe(
    Effect.mapBoth({ onFailure: invalidInput("session ID"), onSuccess: sessionKey }),
  )

const make = Effect.gen(function* () {
  const driver = yield* SandboxDriver
  const leases = yield* Leases
  const settings = yield* Settings
  const capabilities = yield* Effect.cachedWithTTL(driver.capabilities, (exit) =>
    Exit.isSuccess(exit) ? Duration.minutes(1) : 0,
  )
  const waysOut = yield* makeWaysOut
  const { egress } = settings.policy.defaults
  if (egress !== undefined && isEgressRules(egress)) yield* waysOut.check(egress)
  const shared: SharedContext = {
    driver,
    leases,
    settings,
    capabilities,
    secrets: new Map(),
    waysOut,
    warnUnenforced: makeUnenforcedWarning(),
  }
  const root = yield* openOwner(
    "scope of these sandboxes",
    settings.removeOnClose,
    yield* makeRemoveOnClosing(shared),
  )
  return Sandboxes.of({
    session: (id) => Effect.map(keyOf(id), (key) => makeSession({ ...shared, key, owner: root })),
    openSession: Effect.fnUntraced(function* (id, options = {}) {
      const key = yield* keyOf(id)
      const subject = `session ${JSON.stringify(id.slice(0, 100))}`
      const removeOnClose = options.removeOnClose ?? settings.removeOnClose
      return makeSession({ ...shared, key, owner: yield* root.open(subject, removeOnClose) })
    }),
    capabilities: root.whileOpen(capabilities),
    policy: settings.policy,
  })
})
