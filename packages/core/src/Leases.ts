import { Context, type Duration, Effect, Layer, type Stream } from "effect"
import { makeKeyedLock } from "./concurrency/KeyedLock.ts"
import type { SandboxTarget } from "./driver/Incarnation.ts"
import {
  type HostError,
  type LeaseError,
  type LeaseLost,
  type LeaseStoreFailed,
  type QuotaExceeded,
  type SandboxNameTaken,
  SandboxNotFound,
} from "./errors.ts"
import { LeaseStore } from "./LeaseStore.ts"
import { runInBackground } from "./leases/background.ts"
import { boundedStore } from "./leases/boundedStore.ts"
import { named } from "./leases/condemned.ts"
import { makeCreate } from "./leases/create.ts"
import { makeEnter } from "./leases/enter.ts"
import { extend } from "./leases/extend.ts"
import { type HostLeases, makeHostLeases } from "./leases/HostLeases.ts"
import type { Quotas } from "./leases/quotas.ts"
import { RunningLeases } from "./leases/RunningLeases.ts"
import { makeReaper } from "./leases/reaper.ts"
import { makeReconciler } from "./leases/reconcile.ts"
import { remove } from "./leases/remove.ts"
import type { Request } from "./leases/reserve.ts"
import { makeSharedSilence } from "./leases/sharedSilence.ts"
import { start, stop } from "./leases/stopAndStart.ts"
import { makeUse, makeUseStream } from "./leases/use.ts"
import { makeUses } from "./leases/uses.ts"
import { SandboxDriver } from "./SandboxDriver.ts"
import { Settings } from "./Settings.ts"
import type { SandboxInfo } from "./values/Sandbox.ts"
import type { SandboxId } from "./values/SandboxId.ts"
import type { SessionKey } from "./values/Session.ts"
import type { Tags } from "./values/Tags.ts"

/**
 * Keeps each sandbox alive while it is used, and no longer.
 *
 * Each use renews the lease, a long one again and again. A sandbox that nobody uses is stopped after the
 * idle timeout and removed after the remove timeout, by the first process that sees it.
 * A use holds the lease of one incarnation by its fencing token. When a process was away for so long that
 * another one took the lease, its use fails with `LeaseLost`, and none of its calls reaches the next
 * incarnation.
 *
 * @example
 * import { Leases } from "@cordon/core"
 *
 * // One pass of the reaper at once, for a program that ends soon.
 * const leases = yield* Leases
 * yield* leases.reap
 */
export class Leases extends Context.Service<
  Leases,
  {
    /**
     * Reserves the sandbox's place in the quotas, makes it, and begins its lease. When one of these fails,
     * nothing is left. What a crash leaves is removed within about a minute.
     */
    readonly create: (
      request: Request,
      quotas: Quotas,
    ) => <E, R>(
      make: Effect.Effect<SandboxInfo, E, R>,
    ) => Effect.Effect<
      SandboxInfo,
      E | SandboxNameTaken | QuotaExceeded | LeaseLost | LeaseStoreFailed | HostError,
      R
    >

    /**
     * Renews the lease, starts the sandbox if it was stopped for being idle, runs the effect, and
     * keeps renewing until it ends. Fails with `LeaseLost` if the lease is taken away meanwhile,
     * or is another incarnation's.
     *
     * @param patience how long it may take at most until the effect runs; by default as long as the host takes
     */
    readonly use: (
      target: SandboxTarget,
      patience?: Duration.Duration,
    ) => <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | LeaseError, R>

    /** As `use`, for as long as the stream runs. */
    readonly useStream: (
      target: SandboxTarget,
      patience?: Duration.Duration,
    ) => <A, E, R>(stream: Stream.Stream<A, E, R>) => Stream.Stream<A, E | LeaseError, R>

    /**
     * Lets the sandbox count as used for so many milliseconds from now on, in every program that shares the
     * store. It starts nothing, and shortens nothing.
     */
    readonly extend: (target: SandboxTarget, lasting: number) => Effect.Effect<void, LeaseError>

    /** Stops the sandbox on request: only `start` starts it again. */
    readonly stop: (target: SandboxTarget) => Effect.Effect<void, LeaseError>
    /** Starts the sandbox on request. */
    readonly start: (target: SandboxTarget) => Effect.Effect<void, LeaseError>
    /** Removes the sandbox and its lease. It waits where another process is at it. */
    readonly remove: (target: SandboxTarget) => Effect.Effect<void, LeaseError>

    /** The sandboxes of a session, or those with all of some tags, oldest first. */
    readonly list: (
      session: SessionKey,
      tags?: Tags,
    ) => Effect.Effect<ReadonlyArray<SandboxInfo>, HostError>

    /** The sandbox of an ID, as its host has it now. */
    readonly find: (id: SandboxId) => Effect.Effect<SandboxInfo, SandboxNotFound | HostError>

    /** Runs a question to the host about a sandbox that is no use of it; not about a condemned one. */
    readonly ask: (
      target: SandboxTarget,
    ) => <A, E, R>(question: Effect.Effect<A, E, R>) => Effect.Effect<A, E | HostError, R>

    /** The condemned incarnation of an ID that its host still has: see `SandboxDriver.create`. */
    readonly remnant: (id: SandboxId) => Effect.Effect<string | undefined, HostError>

    /** `LeaseStore.id`, which goes with the terms of what is made. */
    readonly store: string | undefined

    /** One pass of the reaper, which otherwise runs by itself. */
    readonly reap: Effect.Effect<void, HostError | LeaseStoreFailed>
  }
>()("@cordon/core/Leases") {
  /** The leases of the driver's host, with a reaper that runs for as long as the layer. */
  static readonly layer: Layer.Layer<Leases, never, SandboxDriver | LeaseStore | Settings> =
    Layer.effect(
      Leases,
      Effect.suspend(() => make),
    )
}

/** Answers about sandboxes that are no use of them. */
const makeQuestions = ({ driver, condemned }: HostLeases) => {
  const find: Leases["Service"]["find"] = Effect.fnUntraced(function* (id) {
    if ((yield* condemned.remnant(id)) !== undefined) {
      return yield* new SandboxNotFound({ sandbox: id })
    }
    return yield* Effect.mapError(driver.inspect(id), named({ id }))
  })
  const ask: Leases["Service"]["ask"] = (target) => (question) =>
    // While the lease store is away the host itself answers.
    Effect.catchTag(condemned.refuse(target), "LeaseStoreFailed", () => Effect.void).pipe(
      Effect.andThen(question),
      Effect.mapError(named(target)),
    )
  return { find, ask, list: condemned.list, remnant: condemned.remnant }
}

const make = Effect.gen(function* () {
  const driver = yield* SandboxDriver
  const store = boundedStore(yield* LeaseStore)
  const leases = yield* makeHostLeases(driver, store, yield* Settings)
  const running = new RunningLeases()
  const uses = makeUses(leases, running)
  const reaper = makeReaper(leases, uses)
  const reconciler = makeReconciler(leases)
  yield* runInBackground(leases, running, reaper, reconciler)

  const exclusively = makeKeyedLock<SandboxId>()
  const inTurn = makeSharedSilence(exclusively)
  const enter = makeEnter(leases, running, inTurn)
  /** Acts on a sandbox while nothing else in this process acts on it. */
  const exclusive = (
    act: (leases: HostLeases, target: SandboxTarget) => Effect.Effect<void, LeaseError>,
  ) => {
    return (target: SandboxTarget) =>
      exclusively(target.id)(
        Effect.suspend(() => {
          running.forget(target.id)
          return act(leases, target)
        }),
      )
  }

  return Leases.of({
    create: makeCreate(leases, running, uses, exclusive(remove)),
    use: makeUse(leases, uses, enter),
    useStream: makeUseStream(leases, uses, enter),
    extend: Effect.fn("Leases.extend")((target, lasting) =>
      inTurn(target.id)(extend(leases, target, lasting)).pipe(Effect.mapError(named(target))),
    ),
    stop: Effect.fn("Leases.stop")(exclusive(stop)),
    start: Effect.fn("Leases.start")(exclusive(start)),
    remove: Effect.fn("Leases.remove")(exclusive(remove)),
    ...makeQuestions(leases),
    store: store.id,
    reap: Effect.andThen(reaper.settleDue, reconciler.compare),
  })
})
