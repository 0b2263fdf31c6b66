import { Effect, Exit, Option, Record, Scope } from "effect"
import { makeKeyedLock } from "../concurrency/KeyedLock.ts"
import { EgressUnavailable, InvalidInput, type LeaseError } from "../errors.ts"
import { SandboxDriver } from "../SandboxDriver.ts"
import type { Sandbox } from "../sandbox/Sandbox.ts"
import type { EgressRules } from "../values/EgressRules.ts"
import type { Environment, SandboxInfo, SandboxSpec } from "../values/Sandbox.ts"
import type { SandboxId } from "../values/SandboxId.ts"
import { EgressBroker, type OpenError, type OpenedSandbox, type WayOut } from "./EgressBroker.ts"
import { maintain } from "./maintain.ts"

/** An egress proxy with the scope that keeps it open. */
interface Kept {
  readonly way: WayOut
  readonly scope: Scope.Closeable
  /** Variables that the sandbox was created with. The proxy's variables do not replace them. */
  readonly own: Environment
}

const close = ({ scope }: Kept) => Scope.close(scope, Exit.void)

/** The variables of a way out that the sandbox was not created with. */
const addedEnvironment = ({ way, own }: Kept): Environment =>
  Record.filter(way.env(), (_, name) => !Object.hasOwn(own, name))

const missing = new InvalidInput({
  subject: "egress",
  issue:
    "rules need a broker, which forwards the sandbox's requests; give createSandboxes `egressBroker: egressBroker()` of @cordon/egress, or provide its layer",
})

/** The errors of giving a sandbox rules. */
export type SetError = InvalidInput | EgressUnavailable | LeaseError

const leaseErrors: Readonly<Record<LeaseError["_tag"], true>> = {
  Closed: true,
  SandboxNotFound: true,
  SandboxNotRunning: true,
  LeaseLost: true,
  LeaseStoreFailed: true,
  EngineUnreachable: true,
  EngineError: true,
  SandboxCondemned: true,
}
const isLeaseError = (error: OpenError): error is LeaseError =>
  Object.hasOwn(leaseErrors, error._tag)

const notOpened =
  ({ name }: Pick<SandboxInfo, "name">) =>
  (error: OpenError): LeaseError | EgressUnavailable =>
    isLeaseError(error) ? error : new EgressUnavailable({ sandbox: name, reason: error.message })

type Incarnation = Pick<SandboxInfo, "instanceId">

/**
 * The egress proxies of the sandboxes that this program made or found. They are kept by incarnation, so a new sandbox with the same
 * name does not get the proxy of the old one. The end of the scope closes all.
 */
export const makeWaysOut = Effect.gen(function* () {
  const driver = yield* SandboxDriver
  const broker = Option.getOrUndefined(yield* Effect.serviceOption(EgressBroker))
  const scope = yield* Effect.scope
  const kept = new Map<string, Kept>()
  const lock = makeKeyedLock<string>()
  const required = broker === undefined ? Effect.fail(missing) : Effect.succeed(broker)

  const make = Effect.fnUntraced(function* (
    rules: EgressRules,
    id: SandboxId,
    environment: Environment = {},
  ) {
    const { make } = yield* required
    const inner = yield* Scope.fork(scope)
    return yield* make(rules, id).pipe(
      Scope.provide(inner),
      Effect.map((way): Kept => ({ way, scope: inner, own: environment })),
      Effect.onError((cause) => Scope.close(inner, Exit.failCause(cause))),
    )
  }, Effect.uninterruptible)

  /** Opens a proxy, and keeps it until the sandbox is removed. A failure closes it. */
  const open = (made: Kept, { info, run, ports }: Pick<Sandbox, "info" | "run" | "ports">) =>
    Effect.uninterruptibleMask((restore) => {
      kept.set(info.instanceId, made)
      const opened: OpenedSandbox = {
        run,
        ports,
        maintain: (script, stdin) => maintain(driver, info, script, stdin),
      }
      return restore(Scope.provide(made.way.open(opened), made.scope)).pipe(
        Effect.mapError(notOpened(info)),
        Effect.onError(() =>
          Effect.suspend(() => {
            if (kept.get(info.instanceId) === made) kept.delete(info.instanceId)
            return close(made)
          }),
        ),
      )
    })

  const drop = ({ instanceId }: Incarnation) =>
    Effect.suspend(() => {
      const known = kept.get(instanceId)
      kept.delete(instanceId)
      return known === undefined ? Effect.void : close(known)
    })

  /**
   * Makes a sandbox with its proxy, which is open when the sandbox is ready. A failure closes the proxy and removes the sandbox.
   */
  const around = <E, R>(
    rules: EgressRules,
    { id, spec }: { readonly id: SandboxId; readonly spec: Pick<SandboxSpec, "env"> },
    create: Effect.Effect<SandboxInfo, E, R>,
    handleOf: (info: SandboxInfo) => Pick<Sandbox, "info" | "run" | "ports" | "remove">,
  ) =>
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(make(rules, id, spec.env), (made) =>
        restore(create).pipe(
          Effect.onError(() => close(made)),
          Effect.tap((info) => {
            const sandbox = handleOf(info)
            return Effect.onError(restore(open(made, sandbox)), () => Effect.ignore(sandbox.remove))
          }),
        ),
      ),
    )

  /** Gives a sandbox rules: a new proxy, or new rules for the proxy that it has. */
  const set = (
    rules: EgressRules,
    sandbox: Pick<Sandbox, "id" | "info" | "run" | "ports">,
  ): Effect.Effect<void, SetError> =>
    // Two calls at the same time would both need the same port in the sandbox.
    lock(sandbox.info.instanceId)(
      Effect.suspend(() => {
        const known = kept.get(sandbox.info.instanceId)
        return known === undefined
          ? Effect.flatMap(make(rules, sandbox.id), (made) => open(made, sandbox))
          : Effect.mapError(known.way.update(rules), (error) =>
              error._tag === "InvalidInput" ? error : notOpened(sandbox.info)(error),
            )
      }),
    )

  return {
    /** Fails if the rules are invalid, or if there is no broker. */
    check: (rules: EgressRules) => Effect.flatMap(required, ({ check }) => check(rules)),
    around,
    set,
    drop,
    of: ({ instanceId }: Incarnation): WayOut | undefined => kept.get(instanceId)?.way,
    /**
     * The variables by which commands find the sandbox's proxy. Each command gets them separately. In the configuration of the
     * sandbox they would become part of its snapshots, whose sandboxes do not have this proxy.
     */
    env: ({ instanceId }: Incarnation): Environment => {
      const known = kept.get(instanceId)
      return known === undefined ? {} : addedEnvironment(known)
    },
  }
})

/** The egress proxies of a program's sandboxes. */
export type WaysOut = Effect.Success<typeof makeWaysOut>
