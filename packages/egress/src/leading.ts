import type { OpenError, OpenedSandbox } from "@cordon/core"
import { Effect, Exit, Scope, Semaphore } from "effect"
import type { EgressProxy } from "./EgressProxy.ts"
import { handTo } from "./handTo.ts"
import { nameScript } from "./hosts.ts"
import { type Leads, leadsOf } from "./leads.ts"
import type { Policy } from "./policy.ts"

// Connections at the same time, on all ports together: process 1 of a sandbox can serve some hundreds.
const maxConnections = 128

const linesOf = (names: ReadonlyArray<string>) => names.map((name) => `${name}\n`).join("")

/**
 * Leads programs that use no proxy to the proxy: keeps the names in a sandbox, and the ports that are listened on there, as a policy
 * wants them.
 */
export const makeLeading = (proxy: Pick<EgressProxy, "takeTransparent">) => {
  let opened: { readonly sandbox: OpenedSandbox; readonly scope: Scope.Scope } | undefined
  let names: Leads["names"] = []
  let areNamed = false
  let connections = 0
  const listeners = new Map<number, Scope.Closeable>()
  const lock = Semaphore.makeUnsafe(1)

  const write = ({ run }: OpenedSandbox, wanted: Leads["names"]) =>
    Effect.suspend(() => {
      areNamed = true
      return run(nameScript(), { user: "root", stdin: linesOf(wanted), timeout: "30 seconds" })
    }).pipe(
      // When it is started, the names of the rules at that time are written.
      Effect.catchTag("SandboxNotRunning", () => Effect.void),
    )

  const listen = Effect.fnUntraced(function* (
    { ports }: OpenedSandbox,
    scope: Scope.Closeable,
    port: number,
  ) {
    const hand = handTo((stream) => proxy.takeTransparent(port, stream))
    const handle: Parameters<typeof ports.serve>[1] = (connection) =>
      Effect.suspend(() => {
        if (connections >= maxConnections) return Effect.void
        connections++
        return Effect.ensuring(
          hand(connection),
          Effect.sync(() => connections--),
        )
      })
    yield* Scope.provide(ports.serve(port, handle), scope)
  })

  const closeAll = (scopes: Iterable<Scope.Closeable>) =>
    Effect.forEach([...scopes], (scope) => Scope.close(scope, Exit.void), { discard: true })

  /** Opens what is missing in the sandbox. A failure closes it again. */
  const prepare = Effect.fnUntraced(function* (wanted: Leads, target: NonNullable<typeof opened>) {
    const { sandbox, scope } = target
    const fresh = new Map<number, Scope.Closeable>()
    const areOther = wanted.names.join() !== names.join()
    const before = names
    yield* Effect.gen(function* () {
      for (const port of wanted.ports.filter((port) => !listeners.has(port))) {
        const own = yield* Scope.fork(scope)
        fresh.set(port, own)
        yield* listen(sandbox, own, port)
      }
      if (areOther) yield* write(sandbox, wanted.names)
    }).pipe(
      Effect.onError(() =>
        Effect.andThen(
          closeAll(fresh.values()),
          areOther ? Effect.ignore(write(sandbox, before)) : Effect.void,
        ),
      ),
    )
    return fresh
  })

  /**
   * Makes a sandbox ready for a policy, lets it hold, and closes what the policy does not need. If the sandbox can't be made ready, the
   * policy does not hold.
   */
  const apply = (policy: Policy, hold: () => void): Effect.Effect<void, OpenError> =>
    lock.withPermits(1)(
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          const wanted = leadsOf(policy)
          const fresh =
            opened === undefined
              ? new Map<number, Scope.Closeable>()
              : yield* restore(prepare(wanted, opened))
          if (opened !== undefined) names = wanted.names
          hold()
          for (const [port, scope] of fresh) listeners.set(port, scope)
          const needless = [...listeners].filter(([port]) => !wanted.ports.includes(port))
          for (const [port] of needless) listeners.delete(port)
          yield* closeAll(needless.map(([, scope]) => scope))
        }),
      ),
    )

  return {
    /** Makes a sandbox ready for a policy, until the scope ends. */
    open: Effect.fnUntraced(function* (sandbox: OpenedSandbox, policy: Policy) {
      opened = { sandbox, scope: yield* Effect.scope }
      yield* apply(policy, () => {})
    }),
    apply,
    /** Writes the names again: the engine writes the file of the names anew when it starts the sandbox. */
    again: ({ maintain }: OpenedSandbox) =>
      lock.withPermits(1)(
        Effect.suspend(() => (areNamed ? maintain(nameScript(), linesOf(names)) : Effect.void)),
      ),
  }
}
