import { EngineUnreachable, type HostError, SandboxEvent, SandboxId } from "@cordon/core"
import { Effect, Option, PubSub, Schedule, Schema, Stream } from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import { actionOf } from "../engine/podman.ts"
import type { EngineEvent } from "../engine/schemas.ts"
import { label } from "../Labels.ts"
import { ownerOf } from "../names.ts"

/** A driver's single subscription to the engine's events, and the counts taken from it. */
export interface EventHub {
  /** How many times a container's memory limit has killed a process since the driver started. */
  readonly oomKills: (instanceId: string) => number
  /** How many times a container has ended since the driver started. */
  readonly deaths: (instanceId: string) => number
  /** Whether a container has ended more often than `before`. Waits a moment, since the event may be late. */
  readonly sawDeath: (instanceId: string, before: number) => Effect.Effect<boolean>
  readonly events: Stream.Stream<SandboxEvent, HostError>
}

const decodeId = Schema.decodeUnknownOption(SandboxId)

/** The sandbox ID of a container: from its label or, if it was made ahead, from its name. */
const idOf = (attributes: Readonly<Record<string, string>>): Option.Option<SandboxId> =>
  Option.orElse(decodeId(attributes[label.id]), () =>
    Option.map(ownerOf(attributes["name"] ?? ""), ({ id }) => id),
  )

const toSandboxEvents = (event: EngineEvent): ReadonlyArray<SandboxEvent> => {
  const id = Option.getOrUndefined(idOf(event.Actor.Attributes ?? {}))
  if (id === undefined) return []
  switch (actionOf(event)) {
    case "create":
      return [SandboxEvent.Created({ id })]
    case "rename":
      // The container was made and started ahead, and now belongs to a sandbox.
      return [SandboxEvent.Created({ id }), SandboxEvent.Started({ id })]
    case "start":
    case "unpause":
      return [SandboxEvent.Started({ id })]
    case "die":
    case "pause":
      return [SandboxEvent.Stopped({ id })]
    case "destroy":
      return [SandboxEvent.Removed({ id })]
    case "oom":
      return [SandboxEvent.OutOfMemory({ id })]
    default:
      return []
  }
}

const reconnecting = Schedule.min([
  Schedule.exponential("100 millis"),
  Schedule.spaced("5 seconds"),
])

// Events usually arrive within milliseconds, but take seconds on an engine that is short of CPU.
const awaitingNews = Schedule.max([Schedule.spaced("25 millis"), Schedule.recurs(120)])

/** Callbacks for events of containers. */
export interface ContainerListeners {
  /** The container has ended or was removed. */
  readonly ended: (instanceId: string) => Effect.Effect<void>
  /** The container has started. Its labels are among the attributes. */
  readonly started?:
    | ((attributes: Readonly<Record<string, string>>) => Effect.Effect<void>)
    | undefined
  readonly paused: (instanceId: string) => Effect.Effect<void>
  readonly resumed: (instanceId: string) => Effect.Effect<void>
  /** Waits until a connection to the engine is found to have been cut silently. */
  readonly silence: Effect.Effect<void>
}

const listenerOf: Readonly<Record<string, "ended" | "paused" | "resumed">> = {
  die: "ended",
  destroy: "ended",
  pause: "paused",
  unpause: "resumed",
}

/** Watches the engine until the scope ends, and reconnects if the connection breaks. */
export const makeEventHub = Effect.fnUntraced(function* (
  engine: DockerEngine["Service"],
  listeners?: ContainerListeners,
) {
  const counts = new Map<string, { ooms: number; deaths: number }>()
  const countsOf = (instanceId: string) => counts.get(instanceId) ?? { ooms: 0, deaths: 0 }
  const published = yield* PubSub.unbounded<Effect.Effect<SandboxEvent, HostError>>()

  const handle = Effect.fnUntraced(function* (event: EngineEvent) {
    const action = actionOf(event)
    if (action === "oom") {
      const { ooms, deaths } = countsOf(event.Actor.ID)
      counts.set(event.Actor.ID, { ooms: ooms + 1, deaths })
    } else if (action === "die") {
      const { ooms, deaths } = countsOf(event.Actor.ID)
      counts.set(event.Actor.ID, { ooms, deaths: deaths + 1 })
    } else if (action === "destroy") {
      counts.delete(event.Actor.ID)
    }
    const listener = listenerOf[action]
    if (listener !== undefined) yield* listeners?.[listener](event.Actor.ID) ?? Effect.void
    if (action === "start") yield* listeners?.started?.(event.Actor.Attributes ?? {}) ?? Effect.void
    for (const sandboxEvent of toSandboxEvents(event)) {
      yield* PubSub.publish(published, Effect.succeed(sandboxEvent))
    }
  })

  // A connection for events may be silent for a long time, so only other connections show that the
  // network has dropped it.
  const cut = Effect.andThen(
    listeners?.silence ?? Effect.never,
    Effect.fail(
      new EngineUnreachable({
        endpoint: engine.endpoint,
        reason: "other connections to it were lost without notice, so this one may be lost too",
      }),
    ),
  )
  yield* engine.events({ type: ["container"], label: [`${label.version}=1`] }).pipe(
    Stream.interruptWhen(cut),
    Stream.runForEach(handle),
    // Subscribers must know that events may be missing from here on.
    Effect.tapError((error) => PubSub.publish(published, Effect.fail(error))),
    Effect.catch((error) => Effect.logDebug("Events are interrupted", { error: error.message })),
    Effect.repeat(reconnecting),
    Effect.forkScoped,
  )

  const hub: EventHub = {
    oomKills: (instanceId) => countsOf(instanceId).ooms,
    deaths: (instanceId) => countsOf(instanceId).deaths,
    sawDeath: (instanceId, before) =>
      Effect.sync(() => countsOf(instanceId).deaths > before).pipe(
        Effect.repeat({ schedule: awaitingNews, until: (died) => died }),
      ),
    events: Stream.fromPubSub(published).pipe(Stream.mapEffect((event) => event)),
  }
  return hub
})
