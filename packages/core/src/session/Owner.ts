import { Deferred, Effect, type Scope, Semaphore, Stream } from "effect"
import { whileItMoves } from "../concurrency/whileItMoves.ts"
import { Closed } from "../errors.ts"
import type { SandboxInfo } from "../values/Sandbox.ts"
import type { SandboxId } from "../values/SandboxId.ts"

/** Something that a program opens and closes, and what was created through it. */
export interface Owner {
  /** Refuses a call once this is closed; closing breaks off one that is under way. */
  readonly whileOpen: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | Closed, R>
  /** As `whileOpen`, for a stream. */
  readonly streamWhileOpen: <A, E, R>(
    stream: Stream.Stream<A, E, R>,
  ) => Stream.Stream<A, E | Closed, R>
  /** As `whileOpen`, for a creation. Closing waits until it is undone, or removes what it made. */
  readonly creating: <E, R>(
    create: Effect.Effect<SandboxInfo, E, R>,
  ) => Effect.Effect<SandboxInfo, E | Closed, R>
  /** What was removed already is not removed on closing. */
  readonly disown: (sandbox: SandboxInfo) => void
  /** Opens one that is closed with this one, and may be closed before by its scope. */
  readonly open: (
    subject: string,
    removeOnClose: boolean,
  ) => Effect.Effect<Owner, never, Scope.Scope>
}

const most = Number.MAX_SAFE_INTEGER

/** Removes what an owner made, and tells whether it could. */
type Remove = (sandbox: SandboxInfo) => Effect.Effect<boolean>

/**
 * Opens an owner, which its scope closes. Closing waits for what is removed, as long as something
 * goes: what then is not removed yet goes on by itself, and is its lease's to remove after that.
 */
export const openOwner = (
  subject: string,
  removeOnClose: boolean,
  remove: Remove,
): Effect.Effect<Owner, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(make(subject, removeOnClose, remove), close),
    ({ owner }) => owner,
  )

interface Closable {
  readonly owner: Owner
  readonly close: Effect.Effect<void>
}
const close = ({ close }: Closable) => close

const make = (subject: string, removeOnClose: boolean, remove: Remove): Effect.Effect<Closable> =>
  Effect.gen(function* () {
    const closing = yield* Deferred.make<void>()
    // Each creation has one permit; who gets all of them knows that none is under way.
    const creations = yield* Semaphore.make(most)
    const created = new Map<SandboxId, SandboxInfo>()
    const children = new Set<Closable>()

    const refuse = Effect.suspend(() => Effect.fail(new Closed({ subject })))
    const refused = Effect.suspend(() => (Deferred.isDoneUnsafe(closing) ? refuse : Effect.void))
    const untilClosed = Effect.andThen(Deferred.await(closing), refuse)
    const whileOpen: Owner["whileOpen"] = (effect) =>
      Effect.andThen(refused, Effect.raceFirst(effect, untilClosed))

    const owner: Owner = {
      whileOpen,
      streamWhileOpen: (stream) =>
        Stream.unwrap(Effect.as(refused, Stream.interruptWhen(stream, untilClosed))),
      creating: (create) =>
        Effect.andThen(
          refused,
          creations.withPermit(
            whileOpen(
              // Created and not written down, it would outlive this.
              Effect.uninterruptibleMask((restore) =>
                Effect.tap(restore(create), (sandbox) =>
                  Effect.sync(() => void created.set(sandbox.id, sandbox)),
                ),
              ),
            ),
          ),
        ),
      disown: ({ id, instanceId }) => {
        if (created.get(id)?.instanceId === instanceId) created.delete(id)
      },
      open: (subject, removeOnClose) =>
        Effect.acquireRelease(
          Effect.tap(make(subject, removeOnClose, remove), (child) =>
            Effect.suspend(() => {
              children.add(child)
              return Deferred.isDoneUnsafe(closing) ? child.close : Effect.void
            }),
          ),
          (child) =>
            Effect.ensuring(
              child.close,
              Effect.sync(() => children.delete(child)),
            ),
        ).pipe(Effect.map(({ owner }) => owner)),
    }

    const removeAll = Effect.suspend(() => {
      const sandboxes = removeOnClose ? created.values() : []
      return whileItMoves((moved) =>
        Effect.forEach(
          sandboxes,
          (sandbox) => Effect.flatMap(remove(sandbox), (gone) => (gone ? moved : Effect.void)),
          { concurrency: "unbounded", discard: true },
        ),
      )
    })
    const closeOnce = yield* Effect.cached(
      Effect.gen(function* () {
        yield* Deferred.succeed(closing, undefined)
        const closeOwn = Effect.andThen(
          whileItMoves(() => creations.withPermits(most)(Effect.void)),
          removeAll,
        )
        yield* Effect.all([closeOwn, ...[...children].map(close)], { concurrency: "unbounded" })
      }).pipe(Effect.uninterruptible),
    )
    return { owner, close: closeOnce }
  })
