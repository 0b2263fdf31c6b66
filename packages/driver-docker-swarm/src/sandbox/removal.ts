import type { HostError, SandboxId } from "@cordon/core"
import { Clock, Deferred, Duration, Effect, Fiber, Schedule, type Scope } from "effect"
import type { Manager } from "../manager/Manager.ts"
import type { Service, Task } from "../manager/schemas.ts"
import { endpointOf, type NodeEngine } from "../NodeEngines.ts"
import { isLeft } from "./abandoned.ts"
import { removeNetwork } from "./networks.ts"
import { isReady } from "./placement.ts"
import { attemptLabel, runningServiceOf } from "./service.ts"

// How long a caller waits for the end of a container, and for the undoing of a failed creation.
const patience = { end: Duration.seconds(5), undo: Duration.seconds(5) }

/** Remaining work is retried until it is done: managers may be away for long. */
const again = Schedule.min([Schedule.exponential("250 millis"), Schedule.spaced("5 seconds")])

const containerOf = (task: Task | undefined) =>
  task?.Status.ContainerStatus?.ContainerID || undefined
const ofAttempt = (attempt: string) => ({ label: [`${attemptLabel}=${attempt}`] })

/**
 * Removes services. The name is free as soon as the service is gone. The container is ended through
 * its node's engine, since the swarm itself would give it seconds; task and network are removed in
 * the background. A sweep finishes the work of a program that died.
 */
export const makeRemoval = (
  manager: Manager,
  at: (host: string) => Effect.Effect<NodeEngine, HostError, Scope.Scope>,
  background: (work: Effect.Effect<void>) => Effect.Effect<void>,
) => {
  /** Begins work that goes on by itself until it is done, and waits for it for so long, or until `enough`. */
  const begin = Effect.fnUntraced(function* (
    patience: Duration.Duration,
    work: (enough: Effect.Effect<boolean>) => Effect.Effect<void, HostError>,
  ) {
    const done = yield* Deferred.make<void>()
    const enough = Deferred.succeed(done, undefined)
    yield* background(
      work(enough).pipe(
        Effect.retry(again),
        Effect.catch((error) => Effect.logDebug("Left to a sweep", { error: error.message })),
        Effect.ensuring(enough),
      ),
    )
    // This also runs when an interrupted call is undone, so it can't use a timeout, which
    // interrupts.
    const late = yield* Effect.forkDetach(Effect.andThen(Effect.sleep(patience), enough))
    yield* Effect.ensuring(Deferred.await(done), Fiber.interrupt(late))
  }, Effect.uninterruptible)

  /** Ends the container of a task at once, where its node is there to do it. */
  const end = (task: Task | undefined) =>
    Effect.gen(function* () {
      const container = containerOf(task)
      const node = (yield* manager.nodes).find(({ ID }) => ID === task?.NodeID)
      if (container === undefined || node === undefined || !isReady(node)) return
      const { engine, connections } = yield* at(endpointOf(node))
      yield* connections.ended(container)
      yield* engine.containerRemove(container)
    }).pipe(
      Effect.scoped,
      Effect.catch((error) =>
        Effect.logDebug("The swarm ends a container by itself", { error: error.message }),
      ),
    )

  const removeService = (id: string) =>
    Effect.catchReason(manager.serviceRemove(id), "EngineError", "NotFound", () => Effect.void)

  /** The managers refuse to tell of one that is gone. */
  const tasksOf = (service: string): Effect.Effect<ReadonlyArray<Task>, HostError> =>
    Effect.catchReason(manager.taskList({ service: [service] }), "EngineError", "NotFound", () =>
      Effect.succeed([]),
    )

  /** Whether a service has any task left, except on lost nodes. */
  const remains = Effect.fnUntraced(function* (service: string) {
    const all = yield* manager.taskList({ label: [attemptLabel] })
    const tasks = all.filter(({ ServiceID }) => ServiceID === service)
    if (tasks.length === 0) return false
    const nodes = yield* manager.nodes
    return tasks.some((task) => isLeft(task, nodes))
  })

  const untilGone = (service: string) =>
    remains(service).pipe(
      Effect.repeat({
        schedule: Schedule.max([
          Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("500 millis")]),
          Schedule.recurs(80),
        ]),
        until: (left) => !left,
      }),
    )

  const removeNetworks = Effect.fnUntraced(function* (attempt: string) {
    for (const { Id } of yield* manager.networkList(ofAttempt(attempt))) {
      yield* removeNetwork(manager, Id)
    }
  })

  // When the place of the last one was free, in milliseconds since the epoch by our clock.
  let leftAt = 0

  /**
   * Removes a service. On return its name is free and its container has ended, unless the node is slow or
   * away. A network is removed last: another one could get its number while the container still lives.
   */
  const dismiss = Effect.fnUntraced(function* (service: Service, hasNetwork: boolean) {
    const running = runningServiceOf(service)
    const [task] = yield* tasksOf(running)
    yield* manager.serviceRemove(service.ID)
    const attempt = service.Spec.Labels?.[attemptLabel]
    yield* begin(patience.end, (enough) =>
      Effect.gen(function* () {
        if (running !== service.ID) yield* removeService(running)
        yield* end(task)
        yield* enough
        yield* untilGone(running)
        leftAt = yield* Clock.currentTimeMillis
        if (hasNetwork && attempt !== undefined) yield* removeNetworks(attempt)
      }),
    )
  }, Effect.uninterruptible)

  /** Takes away a service that never became a sandbox, and waits until nothing of its task is left. */
  const takeAway = Effect.fnUntraced(function* (service: string, running = service) {
    const [task] = yield* tasksOf(running)
    yield* removeService(service)
    if (running !== service) yield* removeService(running)
    yield* end(task)
    yield* untilGone(running)
  })

  /** The service of a creation, unless others have the name by now. */
  const serviceOf = (id: SandboxId, attempt: string) =>
    manager.serviceInspect(id).pipe(
      Effect.map((service) =>
        service.Spec.Labels?.[attemptLabel] === attempt ? service : undefined,
      ),
      Effect.catchReason("EngineError", "NotFound", () => Effect.succeed(undefined)),
    )

  // Failed creations of this program that are being undone, by ID.
  const undoing = new Map<SandboxId, Deferred.Deferred<void>>()

  /**
   * Undoes everything that a creation may have made, even if its answers got lost: now, or as soon
   * as a manager answers.
   *
   * @param ahead the service of the warm pool that was to become the sandbox, if any
   */
  const undo = Effect.fnUntraced(function* (id: SandboxId, attempt: string, ahead?: string) {
    const undone = yield* Deferred.make<void>()
    undoing.set(id, undone)
    yield* begin(patience.undo, () =>
      Effect.gen(function* () {
        const service = yield* serviceOf(id, attempt)
        if (service !== undefined) yield* takeAway(service.ID, ahead ?? runningServiceOf(service))
        else if (ahead !== undefined) yield* takeAway(ahead)
        yield* removeNetworks(attempt)
        if (undoing.get(id) === undone) undoing.delete(id)
        yield* Deferred.succeed(undone, undefined)
      }),
    )
  })

  /** Waits until a failed creation of the same ID is undone, if that is in progress. */
  const undone = (id: SandboxId): Effect.Effect<void> =>
    Effect.suspend(() => {
      const pending = undoing.get(id)
      return pending === undefined
        ? Effect.void
        : Effect.asVoid(Effect.timeoutOption(Deferred.await(pending), patience.undo))
    })

  return { dismiss, serviceOf, lastLeft: () => leftAt, takeAway, undo, undone }
}
export type Removal = ReturnType<typeof makeRemoval>
