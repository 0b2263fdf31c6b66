import { type HostError, whileItMoves } from "@cordon/core"
import { Clock, Duration, Effect, Latch, Option } from "effect"
import { countClaim, makeReadyCount } from "./poolMetrics.ts"

/** How ready things are made, renewed and destroyed. */
export interface Shelf<Kind, Ready> {
  /** The key of a kind; undefined if this kind can't be made ahead. */
  readonly keyOf: (kind: Kind) => string | undefined
  /** @param now milliseconds since the epoch */
  readonly make: (kind: Kind, now: number) => Effect.Effect<Ready, { readonly message: string }>
  /** Shows other programs that it is still held. */
  readonly renew: (ready: Ready, now: number) => Effect.Effect<Ready, HostError>
  /** Removes a ready thing that nobody takes. */
  readonly destroy: (ready: Ready) => Effect.Effect<void>
  /** How many of a kind are made at the same time. Default: 1. */
  readonly atOnce?: number
}

/** Other things that are held ready (networks). They are replenished after the shelf. */
export interface Beside {
  /** Updates the metric of ready things; run whenever their number may have changed. */
  readonly count: Effect.Effect<void>
  readonly replenish: Effect.Effect<void>
  readonly drain: (moved: Effect.Effect<void>) => Effect.Effect<void>
}

/** How many are held ready of a kind, and of how many kinds; see `WarmPoolOptions`. */
export interface Bounds {
  readonly size?: number | undefined
  readonly kinds?: number | undefined
}

interface Held<Ready> {
  readonly ready: Ready
  /** The time of the last renewal: milliseconds since the epoch. */
  readonly renewedAt: number
}

interface Stock<Kind, Ready> {
  kind: Kind
  readonly held: Array<Held<Ready>>
}

// A process renews the things that it holds, so that every process can recognise what a dead
// process left.
const renewal = Duration.minutes(4)
// A process that slept longer must assume that others have swept the things that it held.
const stale = Duration.toMillis("10 minutes")

// The pool is refilled after this long without a request. An immediate refill would keep the engine
// busy while the new sandboxes run their first commands.
const quiet = Duration.millis(200)
// Milliseconds after which the pool is refilled even if requests go on.
const longest = 2000

const nothing: Beside = {
  count: Effect.void,
  replenish: Effect.void,
  drain: () => Effect.void,
}

/**
 * Holds things ready for the most recently requested kinds, until its scope ends. A process gives
 * away only things that it made itself, so nothing is given away twice.
 */
export const makeKindPool = <Kind, Ready>(
  shelf: Shelf<Kind, Ready>,
  { size = 2, kinds: mostKinds = 4 }: Bounds,
  beside: Beside = nothing,
) =>
  Effect.gen(function* () {
    const kinds = new Map<string, Stock<Kind, Ready>>()
    let asked = 0
    const wake = yield* Latch.make(true)
    const countHeld = makeReadyCount("container", () =>
      [...kinds.values()].reduce((sum, { held }) => sum + held.length, 0),
    )
    const countReady = Effect.andThen(countHeld, beside.count)

    const renew = Effect.fnUntraced(function* (held: Array<Held<Ready>>) {
      const now = yield* Clock.currentTimeMillis
      // Taken out during the renewal, so that it can't be claimed meanwhile.
      const due = held.filter(({ renewedAt }) => now - renewedAt >= Duration.toMillis(renewal))
      for (const one of due) {
        const at = held.indexOf(one)
        if (at === -1) continue
        held.splice(at, 1)
        yield* Effect.uninterruptible(
          shelf.renew(one.ready, now).pipe(
            Effect.tap((ready) => Effect.sync(() => held.push({ ready, renewedAt: now }))),
            // It was swept, or the engine is away. A sweep finds any remains, and a new one is
            // made.
            Effect.catch((error: HostError) =>
              Effect.logDebug("Lost what was made ahead", { error: error.message }),
            ),
          ),
        )
      }
    })

    const make = ({ kind, held }: Stock<Kind, Ready>) =>
      Effect.uninterruptibleMask((restore) =>
        Effect.gen(function* () {
          const renewedAt = yield* Clock.currentTimeMillis
          const ready = yield* restore(shelf.make(kind, renewedAt))
          held.push({ ready, renewedAt })
        }),
      )

    const destroyAll = (held: Array<Held<Ready>>) =>
      Effect.forEach(held.splice(0), ({ ready }) => shelf.destroy(ready), {
        concurrency: shelf.atOnce ?? 1,
        discard: true,
      })

    /** Replenishes everything, only a few at a time, since callers wait for their own creations. */
    const replenish = Effect.gen(function* () {
      for (const { held } of kinds.values()) yield* renew(held)
      for (const [key, stock] of [...kinds].toReversed()) {
        while (stock.held.length < size && kinds.get(key) === stock) {
          const most = Math.min(size - stock.held.length, shelf.atOnce ?? 1)
          const made = yield* Effect.result(
            Effect.all(
              Array.from({ length: most }, () => make(stock)),
              { concurrency: most, discard: true },
            ),
          )
          if (made._tag === "Success") continue
          // The kind is dropped until its next request, whose caller then gets the error.
          kinds.delete(key)
          yield* Effect.logWarning("Could not make a sandbox for the warm pool", {
            error: made.failure.message,
          })
        }
        // The kind was dropped meanwhile.
        if (kinds.get(key) !== stock) yield* destroyAll(stock.held)
      }
      yield* beside.replenish
    })

    yield* Effect.addFinalizer(() =>
      Effect.suspend(() => {
        const all = [...kinds.values()].flatMap(({ held }) => held.splice(0))
        kinds.clear()
        return whileItMoves((moved) =>
          Effect.andThen(
            Effect.forEach(all, ({ ready }) => Effect.andThen(shelf.destroy(ready), moved), {
              concurrency: 4,
              discard: true,
            }),
            beside.drain(moved),
          ),
        )
      }).pipe(Effect.ensuring(countReady)),
    )
    const untilQuiet = Effect.gen(function* () {
      const begun = yield* Clock.currentTimeMillis
      for (;;) {
        const before = asked
        yield* Effect.sleep(quiet)
        if (asked === before || (yield* Clock.currentTimeMillis) - begun >= longest) return
      }
    })
    yield* wake.await.pipe(
      Effect.andThen(untilQuiet),
      Effect.timeoutOption(renewal),
      Effect.andThen(wake.close),
      Effect.andThen(replenish),
      Effect.andThen(countReady),
      Effect.forever,
      Effect.forkScoped,
    )

    /**
     * Holds some of this kind ready from now on. The least recently requested kind is dropped if
     * there are too many.
     */
    const want = Effect.fnUntraced(function* (kind: Kind) {
      const key = shelf.keyOf(kind)
      if (key !== undefined && size > 0) {
        const stock = kinds.get(key) ?? { kind, held: [] }
        stock.kind = kind
        kinds.delete(key)
        kinds.set(key, stock)
        const [oldest] = kinds
        if (kinds.size > mostKinds && oldest !== undefined) {
          kinds.delete(oldest[0])
          yield* destroyAll(oldest[1].held)
        }
      }
      asked++
      yield* wake.open
    })

    /**
     * Gives a ready thing away; none if none is ready. Must not be interrupted.
     *
     * @param take returns none if the thing is unusable; then the next one is tried. Its second
     * argument puts the thing back into the pool
     */
    const claim = <A, E>(
      kind: Kind,
      take: (ready: Ready, keep: Effect.Effect<void>) => Effect.Effect<Option.Option<A>, E>,
    ): Effect.Effect<Option.Option<A>, E> =>
      Effect.gen(function* () {
        const key = shelf.keyOf(kind)
        const held = key === undefined ? undefined : kinds.get(key)?.held
        for (;;) {
          const next = held?.shift()
          if (held === undefined || next === undefined) return Option.none<A>()
          if ((yield* Clock.currentTimeMillis) - next.renewedAt > stale) {
            yield* shelf.destroy(next.ready)
            continue
          }
          const taken = yield* take(
            next.ready,
            Effect.sync(() => void held.unshift(next)),
          )
          if (Option.isSome(taken)) return taken
        }
      }).pipe(
        Effect.tap((found) => countClaim(Option.isSome(found) ? "hit" : "miss")),
        Effect.ensuring(countReady),
      )

    /** Destroys everything that is ready, to make room. @returns whether there was anything */
    const release = Effect.suspend(() => {
      const all = [...kinds.values()].flatMap(({ held }) => held.splice(0))
      kinds.clear()
      return Effect.as(
        Effect.forEach(all, ({ ready }) => shelf.destroy(ready), { concurrency: 4, discard: true }),
        all.length > 0,
      )
    })

    return { claim, want, release }
  })
