import { type HostError, requireIncarnation, type SandboxId, SandboxNotFound } from "@cordon/core"
import { Effect, type Scope, Stream } from "effect"
import type { Target } from "./Target.ts"
import { type Deadline, deadlineOf } from "./timeout.ts"

/** What a driver knows about where its sandboxes are. */
export interface Whereabouts<Place extends Target, There, E> {
  /** The endpoint that errors name when a command's time is up before its sandbox was found. */
  readonly endpoint: string
  /** Asks the engine for the container of an ID. */
  readonly find: (id: SandboxId) => Effect.Effect<Place, E>
  /** The `instanceId` by which the sandbox at a place is listed. */
  readonly incarnationOf: (place: Place) => string
  /** What there is at a place to use its container by, for as long as the scope lives. */
  readonly at: (place: Place) => Effect.Effect<There, HostError, Scope.Scope>
  /** Puts a failure in words of the driver, where it knows more; fails with the same where absent. */
  readonly explain?: <E2>(id: SandboxId, error: E2) => Effect.Effect<never, E2 | E>
}

/** Errors after which a sandbox has to be found again: its container may be gone, stopped or elsewhere. */
const questionable: ReadonlySet<unknown> = new Set([
  "SandboxNotFound",
  "SandboxNotRunning",
  "SandboxCondemned",
  "EngineUnreachable",
  "EngineError",
])

const isQuestionable = (error: unknown): boolean =>
  typeof error === "object" && error !== null && "_tag" in error && questionable.has(error._tag)

/** Finds the container of a sandbox by its ID, remembers it, and does things there. */
export const makeLocator = <Place extends Target, There, E>(
  whereabouts: Whereabouts<Place, There, E>,
) => {
  const { endpoint, find, incarnationOf, at } = whereabouts

  // With what is known, a command costs no look. A place names its container by the container's own ID, so
  // that an old place never reaches another container. This is a plain map, not a `Cache`: a `Cache` shares
  // one look between calls, but each call may hold a lease on another incarnation of the ID.
  const places = new Map<SandboxId, Place>()
  const remember = (place: Place): void => void places.set(place.id, place)
  const forget = (id: SandboxId) => Effect.sync(() => void places.delete(id))

  /** Fails if the caller holds a lease on another incarnation than the one at a place. */
  const own = (id: SandboxId, place: Place) =>
    Effect.as(requireIncarnation({ id, instanceId: incarnationOf(place) }), place)

  const locateAnew = (id: SandboxId): Effect.Effect<Place, E | SandboxNotFound> =>
    find(id).pipe(
      Effect.tap((place) => Effect.sync(() => remember(place))),
      Effect.flatMap((place) => own(id, place)),
    )

  const locate = (id: SandboxId): Effect.Effect<Place, E | SandboxNotFound> =>
    Effect.suspend(() => {
      const known = places.get(id)
      return known === undefined
        ? locateAnew(id)
        : // The sandbox may have been made anew since, by another program.
          Effect.catch(own(id, known), () => locateAnew(id))
    })

  /** What a failed call fails with; forgets the sandbox's place where the failure puts it in question. */
  const explain = <E2>(id: SandboxId, error: E2): Effect.Effect<never, E2 | E> =>
    Effect.suspend(() => {
      if (!isQuestionable(error)) return Effect.fail(error)
      places.delete(id)
      return whereabouts.explain?.(id, error) ?? Effect.fail(error)
    })

  const attempt = <A, E2, R>(
    id: SandboxId,
    f: (there: There, place: Place) => Effect.Effect<A, E2, R>,
  ) => Effect.flatMap(locate(id), (place) => Effect.flatMap(at(place), (there) => f(there, place)))

  /**
   * Does something that lives in the caller's scope, in the container of an ID. Where the known container is gone,
   * looks for another one and tries once more: `SandboxNotFound` comes before anything was done.
   */
  const within = <A, E2, R = never>(
    id: SandboxId,
    f: (there: There, place: Place) => Effect.Effect<A, E2, R>,
  ) =>
    Effect.suspend(() => {
      const once = attempt(id, f)
      if (!places.has(id)) return once
      return Effect.catchIf(
        once,
        (error) => error instanceof SandboxNotFound,
        () => Effect.andThen(forget(id), once),
      )
    }).pipe(Effect.catch((error) => explain(id, error)))

  /** As `within`, for what has ended when it returns. */
  const on = <A, E2>(
    id: SandboxId,
    f: (there: There, place: Place) => Effect.Effect<A, E2>,
  ): Effect.Effect<A, E2 | E | SandboxNotFound | HostError> => Effect.scoped(within(id, f))

  /** As `on`, never tried again: a stream that is written may be readable only once, and its errors are its own. */
  const once = <A, E2>(
    id: SandboxId,
    f: (there: There, place: Place) => Effect.Effect<A, E2>,
  ): Effect.Effect<A, E2 | E | SandboxNotFound | HostError> =>
    attempt(id, f).pipe(
      Effect.scoped,
      Effect.onError(() => forget(id)),
    )

  /** As `on`, for a stream, which is never begun again. */
  const streamOn = <A, E2>(
    id: SandboxId,
    f: (there: There, place: Place) => Stream.Stream<A, E2>,
  ): Stream.Stream<A, E2 | E | SandboxNotFound | HostError> =>
    Stream.unwrap(attempt(id, (there, place) => Effect.succeed(f(there, place)))).pipe(
      Stream.catch((error) => Stream.fromEffect(explain(id, error))),
    )

  /** As `streamOn`, for a command: finding the sandbox, and explaining a failure, count as part of its time. */
  const commandOn = <A, E2>(
    id: SandboxId,
    request: Parameters<typeof deadlineOf>[1],
    f: (there: There, place: Place, deadline: Deadline) => Stream.Stream<A, E2>,
  ): Stream.Stream<A, E2 | E | SandboxNotFound | HostError> =>
    Stream.unwrap(
      Effect.map(deadlineOf(endpoint, request), (deadline) => {
        const running = attempt(id, (there, place) => Effect.succeed(f(there, place, deadline)))
        const told = <E3>(error: E3) =>
          Effect.timeoutOrElse(explain(id, error), {
            duration: deadline.rest() ?? "1 minute",
            orElse: () => Effect.fail(error),
          })
        return Stream.unwrap(places.has(id) ? running : deadline.before(running)).pipe(
          Stream.catch((error) => Stream.fromEffect(told(error))),
        )
      }),
    )

  return {
    /** Where a sandbox was last found. */
    known: (id: SandboxId): Place | undefined => places.get(id),
    /** Remembers where a sandbox of this program was just made: its first use costs no look. */
    remember,
    forget,
    explain,
    within,
    on,
    once,
    streamOn,
    commandOn,
  }
}
/** What `makeLocator` gives. */
export type Locator<Place extends Target, There, E> = ReturnType<
  typeof makeLocator<Place, There, E>
>
