import { Duration, Effect, Fiber } from "effect"
import { LeaseStoreFailed } from "../errors.ts"
import type { LeaseStore } from "../LeaseStore.ts"

// Stores try again by themselves for some seconds, while a database restarts.
const patience = Duration.seconds(10)

/**
 * Runs a call of a store, and gives it up where no answer comes. The call is then interrupted, but not
 * waited for: a connection that hangs may hang in that as well.
 */
const bounded = <A>(
  operation: string,
  call: Effect.Effect<A, LeaseStoreFailed>,
): Effect.Effect<A, LeaseStoreFailed> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkDetach(call, { startImmediately: true })
      const exit = fiber.pollUnsafe()
      if (exit !== undefined) return yield* exit
      const over = Effect.sleep(patience)
      const leave = Fiber.interrupt(fiber)
      const reason = `it did not answer within ${Duration.format(patience)}`
      const silence = over.pipe(
        Effect.andThen(Effect.forkDetach(leave)),
        Effect.andThen(Effect.fail(new LeaseStoreFailed({ operation, reason }))),
      )
      return yield* restore(Effect.raceFirst(Fiber.join(fiber), silence)).pipe(
        Effect.onInterrupt(() => Effect.raceFirst(leave, over)),
      )
    }),
  )

/** A store of which every call ends: it answers, or it is `LeaseStoreFailed` within some seconds. */
export const boundedStore = (store: LeaseStore["Service"]): LeaseStore["Service"] => ({
  shared: store.shared,
  id: store.id,
  beat: (...args) => bounded("let time pass", store.beat(...args)),
  get: (...args) => bounded("read a lease", store.get(...args)),
  list: (...args) => bounded("list the leases", store.list(...args)),
  insert: (...args) => bounded("begin a lease", store.insert(...args)),
  renew: (...args) => bounded("renew a lease", store.renew(...args)),
  change: (...args) => bounded("change a lease", store.change(...args)),
  claimDue: (...args) => bounded("claim leases", store.claimDue(...args)),
  delete: (...args) => bounded("end a lease", store.delete(...args)),
  takeTurn: (...args) => bounded("take a turn", store.takeTurn(...args)),
})
