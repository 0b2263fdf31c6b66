import { type HostError, whileItMoves } from "@cordon/core"
import { Clock, Duration, Effect, Latch, Option } from "effect"
import { countClaim, makeReadyCount } from "./poolMetrics.ts"

/** How what is ready is made, kept and given up. */
export interface Shelf<Kind, Ready> {
  /** What tells kinds apart; undefined where none can be made ahead. */
  readonly keyOf: (kind: Kind) => string | undefined
  /** @param now milliseconds since the epoch */
  readonly make: (kind: Kind, now: number) => Effect.Effect<Ready, { readonly message: string }>
  /** Shows everybody that it is still held. */
  readonly renew: (ready: Ready, now: number) => Effect.Effect<Ready, HostError>
  readonly destroy: (ready: Ready) => Effect.Effect<void>
  /** How many of a kind are made at a time: 1. */
  readonly atOnce?: number
}

/** What else is held ready, and is brought up to its number after what the shelf has. */
export interface Beside {
  /** Tells how much of it is ready; run whenever that may have changed. */
  readonly count: Effect.Effect<void>
  readonly replenish: Effect.Effect<void>
  readonly drain: (moved: Effect.Effect<void>) => Effect.Effect<void>
}

/** How many are ready of a kind, and of how many kinds; see `WarmPoolOptions`. */
export interface Bounds {
  readonly size?: number
  readonly kinds?: number
}

interface Held<Ready> {
  readonly ready: Ready
  /** Milliseconds since the epoch: when others were last shown that somebody holds it. */
  readonly renewedAt: number
}

interface Stock<Kind, Ready> {
  kind: Kind
  readonly held: Array<Held<Ready>>
}

// Who holds something renews it now and then, so that every process can tell what a dead one left.
const renewal = Duration.minutes(4)
// Who slept longer must take it that others have swept what he held.
const stale = Duration.toMillis("10 minutes")

// The pool is refilled once nobody has asked for this long. Refilling at once would keep the engine busy
// while the sandboxes that were just given away run their first commands.
const quiet = Duration.millis(200)
// Milliseconds after which the pool is refilled even while others go on asking.
const longest = 2000

const nothing: Beside = {
  count: Effect.void,
  replenish: Effect.void,
  drain: () => Effect.void,
}

/**
 * Holds things ready for the kinds that were asked for last, until its scope ends. A process hands out only
 * what it made itself, so none is handed out twice.
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
      // Taken out meanwhile: nobody may claim it while it is changed.
      const due = held.filter(({ renewedAt }) => now - renewedAt >= Duration.toMillis(renewal))
      for (const one of due) {
        const at = held.indexOf(one)
        if (at === -1) continue
        held.splice(at, 1)
        yield* Effect.uninterruptible(
          shelf.renew(one.ready, now).pipe(
            Effect.tap((ready) => Effect.sync(() => held.push({ ready, renewedAt: now }))),
            // Swept, or the engine is away: what is left of it is found, and another one is made.
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

    /** Brings everything to what is to be held; few things at a time, since others wait for theirs. */
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
          // Until it is asked for again: then who asks learns why.
          kinds.delete(key)
          yield* Effect.logWarning("Could not make a sandbox ahead", {
            error: made.failure.message,
          })
        }
        // Given up meanwhile.
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

    /** From now on some of this kind are held ready; the one asked for longest ago gives way. */
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
     * Gives a ready one away; none where none is ready. Not to be interrupted.
     *
     * @param take answers with none where it is of no use; what it keeps waits on
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

    /** Gives up all that is ready, for what needs its place more. @returns whether there was any */
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
