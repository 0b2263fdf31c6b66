import { Context, Duration, Effect, Layer, Option, Schedule, Stream } from "effect"
import {
  EngineUnreachable,
  type HostError,
  type LeaseError,
  LeaseLost,
  type LeaseStoreFailed,
  QuotaExceeded,
  SandboxNameTaken,
  SandboxNotFound,
  SandboxNotRunning,
} from "./errors.ts"
import { handOver } from "./handOver.ts"
import { Incarnation, type SandboxTarget } from "./Incarnation.ts"
import { makeKeyedLock } from "./KeyedLock.ts"
import { type Excess, type Lease, LeaseStore, type Quotas } from "./LeaseStore.ts"
import { boundedStore } from "./leases/boundedStore.ts"
import { named } from "./leases/condemned.ts"
import { elapsed } from "./leases/elapsed.ts"
import { makeHostLeases } from "./leases/HostLeases.ts"
import { makeReaper } from "./leases/reaper.ts"
import { makeSharedSilence } from "./leases/sharedSilence.ts"
import { type Held, makeUses } from "./leases/uses.ts"
import { SandboxDriver } from "./SandboxDriver.ts"
import { Settings } from "./Settings.ts"
import type { SandboxInfo, SandboxSpec } from "./values/Sandbox.ts"
import type { SandboxId } from "./values/SandboxId.ts"
import type { SessionKey } from "./values/Session.ts"
import type { Tags } from "./values/Tags.ts"

/**
 * Keeps each sandbox alive while it is used, and no longer.
 *
 * Each use renews the lease, a long one again and again. Nobody using it, a sandbox is stopped
 * after the idle timeout and removed after the remove timeout, by whichever process comes first.
 * A use holds the lease of one incarnation by its fencing token: who was away for so long that the
 * lease was taken gets `LeaseLost`, and none of its calls reaches what came after.
 */
export class Leases extends Context.Service<
  Leases,
  {
    /**
     * Reserves the sandbox's place in the quotas, makes it, and begins its lease. Nothing is left
     * of either where one of them fails; what a crash leaves is removed within a minute or so.
     */
    readonly create: (
      request: {
        readonly id: SandboxId
        readonly session: SessionKey
        readonly spec: SandboxSpec
      },
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
     * @param patience how long it may take at most until the effect runs; the host's own time where absent
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
    readonly start: (target: SandboxTarget) => Effect.Effect<void, LeaseError>
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
  static readonly layer: Layer.Layer<Leases, never, SandboxDriver | LeaseStore | Settings> =
    Layer.effect(
      Leases,
      Effect.suspend(() => make),
    )
}

/** How soon the host's events are watched again once they were interrupted. */
const reconnecting = Schedule.spaced("100 millis")

/** How often one looks whether somebody else has done with a lease. */
const look = Duration.millis(50)

/** What ends the wait for a sandbox that does not get ready for a command. */
export const late = new EngineUnreachable({
  endpoint: "the sandbox's host",
  reason:
    "it did not make the sandbox ready before a command's time was up; the command was not begun",
})

const excessOf = ({ of, resource, limit }: Excess) => {
  const what = {
    sandboxes: "sandboxes",
    memory: "bytes of memory for sandboxes",
    cpus: "CPU cores for sandboxes",
    disk: "bytes of disk space for sandboxes",
  }
  return new QuotaExceeded({ resource: `${what[resource]} of a ${of}`, limit })
}

const make = Effect.gen(function* () {
  const driver = yield* SandboxDriver
  const store = boundedStore(yield* LeaseStore)
  const settings = yield* Settings
  const leases = yield* makeHostLeases(driver, store, settings)
  const exclusively = makeKeyedLock<SandboxId>()
  const inTurn = makeSharedSilence(exclusively)
  const { claim, condemned } = leases

  const idleTimeout = Duration.toMillis(settings.idleTimeout)
  const reapInterval = Math.min(15_000, Math.max(100, idleTimeout / 10))
  // A creation that was not renewed for this long is broken off.
  const creationTimeout = Math.min(60_000, Duration.toMillis(settings.removeTimeout))

  // Leases of sandboxes that were seen to run since the host's events were last interrupted: a
  // renewal by the token then is all that a use costs.
  const running = new Map<SandboxId, Lease>()
  let interruptions = 0
  const remember = (lease: Lease, seenAt: number) =>
    Effect.sync(() => {
      if (seenAt === interruptions) running.set(lease.id, lease)
    })
  const forget = (id: SandboxId) => Effect.sync(() => void running.delete(id))

  const uses = makeUses(driver, store, ({ id }) => forget(id))
  const reaper = makeReaper(driver, store, leases, uses)
  const renew = (lease: Lease) => store.renew(lease, lease.token)

  /** The lease of this very incarnation; one that has none yet is given one. */
  const current = (target: SandboxTarget): Effect.Effect<Lease, LeaseError> =>
    Effect.gen(function* () {
      const found = yield* leases.get(target.id)
      const isOurs = Option.exists(found, ({ instanceId }) => instanceId === target.instanceId)
      if (!isOurs) yield* condemned.refuse(target)
      if (Option.isNone(found)) {
        const adopted = yield* leases.adopt(yield* driver.inspect(target.id))
        return Option.isSome(adopted) ? adopted.value : yield* current(target)
      }
      const lease = found.value
      if (lease.phase === "creating") {
        return yield* new SandboxNotRunning({ sandbox: target.id, status: "created" })
      }
      if (lease.instanceId !== target.instanceId) {
        return yield* new LeaseLost({ sandbox: target.id })
      }
      return lease
    })

  /** As `current`, once nobody else has a claim on it, and as long as it is not being removed. */
  const settled = (target: SandboxTarget): Effect.Effect<Lease, LeaseError> =>
    Effect.flatMap(current(target), (lease) => {
      if (lease.phase === "removing") {
        return Effect.fail(new SandboxNotFound({ sandbox: target.id }))
      }
      return lease.claimedFor > 0 && lease.phase !== "active"
        ? Effect.andThen(Effect.sleep(look), settled(target))
        : Effect.succeed(lease)
    })

  const startContainer = (claimed: Lease) =>
    leases.act(claimed, driver.start, {
      done: { phase: "active", used: true },
      failed: {},
    })

  /** Renews the lease as it was last seen, by whose token nobody has done anything to it since. */
  const renewKnown = Effect.fnUntraced(function* ({ id, instanceId }: SandboxTarget) {
    const known = running.get(id)
    return known?.instanceId === instanceId && (yield* renew(known)) ? known : undefined
  })

  /** Whether it needs no start: whoever restarts an engine tells nobody what that has stopped. */
  const isRunning = ({ id, instanceId }: SandboxTarget) =>
    Effect.map(
      driver.inspect(id),
      // Of another incarnation, or one that is paused, the use itself finds out more.
      (info) => info.status !== "stopped" || info.instanceId !== instanceId,
    )

  /** Takes part in the lease: renews it, and starts the sandbox where it was idle. */
  const takePart = (target: SandboxTarget): Effect.Effect<Lease, LeaseError> =>
    Effect.gen(function* () {
      const known = yield* renewKnown(target)
      if (known !== undefined) return known
      yield* forget(target.id)
      const seenAt = interruptions
      const lease = yield* settled(target)
      if (lease.phase === "stopped") {
        return yield* new SandboxNotRunning({ sandbox: target.id, status: "stopped" })
      }
      if (lease.phase === "active" && (yield* condemned.watch(lease)(isRunning(target)))) {
        if (!(yield* renew(lease))) return yield* takePart(target)
        yield* remember(lease, seenAt)
        return lease
      }
      const claimed = yield* leases.change(lease, { claim })
      const started = Option.isSome(claimed)
        ? yield* startContainer(claimed.value)
        : Option.none<Lease>()
      if (Option.isNone(started)) return yield* takePart(target)
      yield* remember(started.value, seenAt)
      return started.value
    })

  /** Fails with `late` once the patience is over. */
  const inTime =
    (patience: Duration.Duration) =>
    <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | EngineUnreachable, R> =>
      Effect.timeoutOrElse(effect, { duration: patience, orElse: () => Effect.fail(late) })

  const enter = Effect.fnUntraced(function* (
    target: SandboxTarget,
    patience: Duration.Duration = Duration.infinity,
  ) {
    const known = yield* renewKnown(target)
    const lease =
      known ??
      (yield* inTurn(target.id)(takePart(target)).pipe(
        Effect.mapError(named(target)),
        inTime(patience),
        // The use itself was not begun.
        Effect.mapError((error) =>
          error instanceof EngineUnreachable
            ? new EngineUnreachable({ ...error, delivered: "never" })
            : error,
        ),
      ))
    const held: Held = { lease, renewedAt: yield* elapsed }
    return held
  })

  const use: Leases["Service"]["use"] = (target, patience) => (effect) =>
    Effect.flatMap(enter(target, patience), (held) =>
      Effect.raceFirst(Effect.provideService(effect, Incarnation, target), uses.keep(held)).pipe(
        condemned.watch(held.lease),
        Effect.catch(uses.explain(held)),
        Effect.tap(() => uses.leave(held)),
      ),
    )

  const useStream: Leases["Service"]["useStream"] = (target, patience) => (stream) =>
    Stream.unwrap(
      Effect.map(enter(target, patience), (held) =>
        stream.pipe(
          Stream.provideService(Incarnation, target),
          Stream.interruptWhen(uses.keep(held)),
          Stream.catch((error) =>
            Stream.fromEffectDrain(
              condemned
                .watch(held.lease)(Effect.fail(error))
                .pipe(Effect.catch(uses.explain(held))),
            ),
          ),
          Stream.concat(Stream.fromEffectDrain(uses.leave(held))),
        ),
      ),
    )

  const stopNow = (target: SandboxTarget): Effect.Effect<void, LeaseError> =>
    Effect.gen(function* () {
      const lease = yield* settled(target)
      const claimed = yield* leases.change(lease, { phase: "stopped", claim })
      if (Option.isNone(claimed)) return yield* stopNow(target)
      yield* leases.act(claimed.value, driver.stop, {
        done: {},
        failed: { phase: lease.phase },
      })
    })

  const startNow = (target: SandboxTarget): Effect.Effect<void, LeaseError> =>
    Effect.gen(function* () {
      const lease = yield* settled(target)
      const claimed = yield* leases.change(lease, { claim })
      if (Option.isNone(claimed)) return yield* startNow(target)
      yield* startContainer(claimed.value)
    })

  const extendNow = (target: SandboxTarget, lasting: number): Effect.Effect<void, LeaseError> =>
    Effect.gen(function* () {
      const lease = yield* settled(target)
      if (!(yield* store.renew(lease, lease.token, lasting))) {
        return yield* extendNow(target, lasting)
      }
      // Not what was asked for: a shorter extension than one before must shorten nothing.
      const most = Duration.toMillis(settings.extensionLimit) + lease.removeTimeout
      yield* (driver.outlive?.(target.id, most) ?? Effect.void).pipe(
        Effect.provideService(Incarnation, target),
        condemned.watch(lease),
      )
    })

  const removeNow = (target: SandboxTarget): Effect.Effect<void, LeaseError> =>
    Effect.gen(function* () {
      const lease = yield* current(target).pipe(
        // Removed and made anew: what was to be removed is gone.
        Effect.catchTag("LeaseLost", ({ sandbox }) =>
          Effect.fail(new SandboxNotFound({ sandbox })),
        ),
      )
      if (lease.phase === "removing" && lease.claimedFor > 0) {
        return yield* Effect.andThen(Effect.sleep(look), untilGone(lease))
      }
      // From here on there is no way back: a reaper finishes what is broken off.
      const claimed = yield* leases.change(lease, { phase: "removing", claim })
      if (Option.isNone(claimed)) return yield* removeNow(target)
      yield* leases.finishRemoval(claimed.value)
    })

  /** Waits for somebody else's removal, and takes it over where that one gives up. */
  const untilGone = (removing: Lease): Effect.Effect<void, LeaseError> =>
    Effect.flatMap(store.get(removing), (found) =>
      Option.isNone(found) || found.value.instanceId !== removing.instanceId
        ? condemned.refuse(removing)
        : removeNow(removing),
    )

  /** Does away with a lease that stands in the way of a new sandbox, unless it is a real one's. */
  const makeWay = Effect.fnUntraced(function* (lease: Lease, name: string) {
    const taken = new SandboxNameTaken({ sandbox: name })
    if (lease.phase === "creating") return yield* taken
    if (lease.phase === "removing") {
      if (lease.claimedFor > 0) return yield* Effect.sleep(look)
      const claimed = yield* leases.change(lease, { claim })
      if (Option.isNone(claimed)) return
      // What can't be removed is out of the way as well.
      return yield* leases
        .finishRemoval(claimed.value)
        .pipe(Effect.catchTag("SandboxCondemned", () => Effect.void))
    }
    const exists = yield* driver.inspect(lease.id).pipe(
      condemned.watch(lease),
      Effect.as(true),
      Effect.catchTag("SandboxCondemned", () => Effect.succeed(false)),
      Effect.catchTag("SandboxNotFound", () => Effect.succeed(false)),
    )
    if (exists) return yield* taken
    yield* store.delete(lease, lease.token)
  })

  type Request = Parameters<Leases["Service"]["create"]>[0]

  /** Takes the sandbox's place in the quotas before anything is made. */
  const reserve = (
    { id, session, spec }: Request,
    quotas: Quotas,
  ): Effect.Effect<Lease, SandboxNameTaken | QuotaExceeded | LeaseStoreFailed | HostError> =>
    Effect.gen(function* () {
      const { memory, cpus, disk = 0 } = spec.limits
      const host = yield* leases.host
      const inserted = yield* store.insert(
        {
          host,
          id,
          session,
          instanceId: "",
          phase: "creating",
          memory,
          cpus,
          disk,
          idleTimeout: creationTimeout,
          removeTimeout: creationTimeout,
        },
        quotas,
      )
      if (inserted._tag === "Inserted") return inserted.lease
      if (inserted._tag === "QuotaExceeded") return yield* excessOf(inserted.excess)
      const found = yield* leases.get(id)
      if (Option.isSome(found)) yield* makeWay(found.value, spec.name)
      return yield* reserve({ id, session, spec }, quotas)
    })

  const create: Leases["Service"]["create"] = (request, quotas) => (make) =>
    Effect.gen(function* () {
      if (!store.shared) {
        // What other processes made for the session counts as well.
        yield* Effect.forEach(yield* condemned.list(request.session), leases.adopt, {
          discard: true,
        })
      }
      const reserved = yield* reserve(request, quotas)
      const held: Held = { lease: reserved, renewedAt: yield* elapsed }
      const seenAt = interruptions
      const lost = new LeaseLost({ sandbox: request.id })
      const stillHeld = Effect.catchTag(uses.keep(held), "SandboxNotRunning", () =>
        Effect.fail(lost),
      )
      const begin = (info: SandboxInfo) =>
        Effect.gen(function* () {
          const { instanceId, lease: terms } = info
          const change = { phase: "active", instanceId, terms, used: true } as const
          const begun = yield* leases.change(reserved, change)
          if (Option.isNone(begun)) return yield* lost
          yield* remember(begun.value, seenAt)
        })
      let made: SandboxInfo | undefined
      // Kept here, since who is interrupted gets no result: that it was made must be known then.
      const making = Effect.uninterruptibleMask((restore) =>
        Effect.tap(restore(make), (info) =>
          Effect.sync(() => {
            made = info
          }),
        ),
      )
      const undo = Effect.suspend(() =>
        Effect.ignore(
          made === undefined ? Effect.void : driver.remove(made.id, made.instanceId),
        ).pipe(Effect.andThen(Effect.ignore(store.delete(reserved, reserved.token)))),
      )
      return yield* handOver(
        (restore) =>
          restore(Effect.raceFirst(making, stillHeld)).pipe(
            Effect.tap(begin),
            Effect.onError(() => undo),
          ),
        // It has begun its lease by then.
        (info) => Effect.ignore(exclusive(removeNow)(info)),
      )
    })

  const exclusive =
    (act: (target: SandboxTarget) => Effect.Effect<void, LeaseError>) => (target: SandboxTarget) =>
      exclusively(target.id)(Effect.andThen(forget(target.id), act(target)))

  const again = Schedule.spaced(reapInterval)
  // On its own: a pass that takes long must not hold up the time by which leases run out.
  yield* Effect.forkScoped(
    leases.beat.pipe(
      Effect.catch((error) => Effect.logDebug("Time stands still", { error: error.message })),
      Effect.repeat(again),
    ),
  )
  const pass = Effect.gen(function* () {
    yield* reaper.settleDue
    // One process compares at a time; a bit shorter than the interval, so that no turn is missed.
    const turn = yield* store.takeTurn(yield* leases.host, reapInterval * 0.9)
    if (turn) yield* reaper.compare
  })
  yield* Effect.forkScoped(
    pass.pipe(
      Effect.withSpan("Leases.reap"),
      Effect.catch((error) =>
        Effect.logDebug("The reaper could not run", { error: error.message }),
      ),
      Effect.repeat(again),
    ),
  )
  yield* Effect.forkScoped(
    Stream.runForEach(driver.events, (event) =>
      Effect.andThen(
        event._tag === "Stopped" ? forget(event.id) : Effect.void,
        Effect.catch(reaper.observe(event), (error) =>
          Effect.logDebug("An event could not be taken in", { error: error.message }),
        ),
      ),
    ).pipe(
      Effect.catch((error) =>
        Effect.logDebug("Events of the host are interrupted", { error: error.message }),
      ),
      // Whatever ran may have been stopped meanwhile.
      Effect.ensuring(
        Effect.sync(() => {
          interruptions += 1
          running.clear()
        }),
      ),
      Effect.repeat(reconnecting),
    ),
  )

  return Leases.of({
    create,
    use,
    useStream,
    extend: Effect.fn("Leases.extend")((target, lasting) =>
      inTurn(target.id)(extendNow(target, lasting)).pipe(Effect.mapError(named(target))),
    ),
    stop: Effect.fn("Leases.stop")(exclusive(stopNow)),
    start: Effect.fn("Leases.start")(exclusive(startNow)),
    remove: Effect.fn("Leases.remove")(exclusive(removeNow)),
    list: condemned.list,
    find: Effect.fnUntraced(function* (id) {
      if ((yield* condemned.remnant(id)) !== undefined) {
        return yield* new SandboxNotFound({ sandbox: id })
      }
      return yield* Effect.mapError(driver.inspect(id), named({ id }))
    }),
    ask: (target) => (question) =>
      // Without the lease store the host itself answers.
      Effect.catchTag(condemned.refuse(target), "LeaseStoreFailed", () => Effect.void).pipe(
        Effect.andThen(question),
        Effect.mapError(named(target)),
      ),
    remnant: condemned.remnant,
    store: store.id,
    reap: Effect.andThen(reaper.settleDue, reaper.compare),
  })
})
