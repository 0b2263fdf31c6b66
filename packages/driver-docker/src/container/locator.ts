import { type HostError, requireIncarnation, type SandboxId, SandboxNotFound } from "@cordon/core"
import { Effect, type Scope, Stream } from "effect"
import type { Target } from "./Target.ts"
import { type Deadline, deadlineOf } from "./timeout.ts"

/** The driver's part of locating its sandboxes. */
export interface Whereabouts<Place extends Target, There, E> {
  /** The endpoint named in errors when a command times out before its sandbox was found. */
  readonly endpoint: string
  /** Asks the engine for the container of an ID. */
  readonly find: (id: SandboxId) => Effect.Effect<Place, E>
  /** The `instanceId` by which the sandbox at a place is listed. */
  readonly incarnationOf: (place: Place) => string
  /** The operations on the container at a place, valid until the scope ends. */
  readonly at: (place: Place) => Effect.Effect<There, HostError, Scope.Scope>
  /**
   * Replaces a failure by a more precise one, if the driver knows more. Without it, failures stay
   * unchanged.
   */
  readonly explain?: <E2>(id: SandboxId, error: E2) => Effect.Effect<never, E2 | E>
}

/** Errors after which the sandbox is looked up again: its container may be gone, stopped or elsewhere. */
const questionable: ReadonlySet<unknown> = new Set([
  "SandboxNotFound",
  "SandboxNotRunning",
  "SandboxCondemned",
  "EngineUnreachable",
  "EngineError",
])

const isQuestionable = (error: unknown): boolean =>
  typeof error === "object" && error !== null && "_tag" in error && questionable.has(error._tag)

/** Finds the container of a sandbox by ID, remembers it, and runs operations in it. */
export const makeLocator = <Place extends Target, There, E>(
  whereabouts: Whereabouts<Place, There, E>,
) => {
  const { endpoint, find, incarnationOf, at } = whereabouts

  // With a known place a command needs no lookup. A place holds the container's own ID, so a stale
  // place never reaches another container. This is a plain map, not a `Cache`: a `Cache` would
  // share one lookup between calls, but each call may hold a lease on another incarnation of the
  // ID.
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
        : // Another program may have recreated the sandbox since.
          Effect.catch(own(id, known), () => locateAnew(id))
    })

  /** The error of a failed call. Forgets the sandbox's place if the failure makes it doubtful. */
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
   * Runs an operation that lives in the caller's scope in the container of an ID. If the known
   * container is gone, looks the sandbox up again and retries once. The retry is safe:
   * `SandboxNotFound` means that nothing was done yet.
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

  /** Like `within`, for an operation that is complete when it returns. */
  const on = <A, E2>(
    id: SandboxId,
    f: (there: There, place: Place) => Effect.Effect<A, E2>,
  ): Effect.Effect<A, E2 | E | SandboxNotFound | HostError> => Effect.scoped(within(id, f))

  /**
   * Like `on`, but never retried: a stream to be written may be readable only once, and its errors
   * are its own.
   */
  const once = <A, E2>(
    id: SandboxId,
    f: (there: There, place: Place) => Effect.Effect<A, E2>,
  ): Effect.Effect<A, E2 | E | SandboxNotFound | HostError> =>
    attempt(id, f).pipe(
      Effect.scoped,
      Effect.onError(() => forget(id)),
    )

  /** Like `on`, for a stream, which is never restarted. */
  const streamOn = <A, E2>(
    id: SandboxId,
    f: (there: There, place: Place) => Stream.Stream<A, E2>,
  ): Stream.Stream<A, E2 | E | SandboxNotFound | HostError> =>
    Stream.unwrap(attempt(id, (there, place) => Effect.succeed(f(there, place)))).pipe(
      Stream.catch((error) => Stream.fromEffect(explain(id, error))),
    )

  /**
   * Like `streamOn`, for a command: locating the sandbox and explaining a failure count towards its
   * timeout.
   */
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
    /** The last known place of a sandbox. */
    known: (id: SandboxId): Place | undefined => places.get(id),
    /** Remembers the place of a sandbox that was just made, so that its first use needs no lookup. */
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
/** Finds the containers of a driver's sandboxes: the result of `makeLocator`. */
export type Locator<Place extends Target, There, E> = ReturnType<
  typeof makeLocator<Place, There, E>
>
