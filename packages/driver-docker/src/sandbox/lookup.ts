import {
  hasTags,
  Incarnation,
  type SandboxId,
  type SandboxInfo,
  SandboxNotFound,
  type SessionKey,
  type Tags,
} from "@cordon/core"
import { Effect, Option } from "effect"
import type { Target } from "../container/Target.ts"
import type { DockerEngine } from "../DockerEngine.ts"
import { isEngineError } from "../engine/failures.ts"
import { familiar, networkOf } from "../engine/podman.ts"
import type { ContainerInspect, ContainerSummary } from "../engine/schemas.ts"
import { creationLabel, label, sandboxOf, tagFilter } from "../Labels.ts"
import { nameFilter, sessionFilter } from "../names.ts"

/** A container that is a sandbox. */
export interface Found {
  readonly sandbox: SandboxInfo
  /** The network that the container was made on. */
  readonly network: string | undefined
  readonly target: Target
}

/** A container as a sandbox; none if its name or labels are not complete. */
export const foundIn = (container: ContainerInspect): Option.Option<Found> =>
  Option.map(
    sandboxOf({
      name: container.Name,
      instanceId: container.Id,
      status: container.State.Status,
      image: familiar(container.Config.Image),
      createdAt: new Date(container.Created),
      labels: container.Config.Labels ?? {},
    }),
    (sandbox) => ({
      sandbox,
      network: networkOf(container),
      target: {
        id: sandbox.id,
        instanceId: container.Id,
        cwd: sandbox.workdir,
        user: container.Config.Labels?.[label.user] || undefined,
      },
    }),
  )

/** Like `foundIn`, for an entry of the engine's container list. */
export const listedSandbox = (container: ContainerSummary): Option.Option<SandboxInfo> =>
  sandboxOf({
    name: container.Names[0] ?? "",
    instanceId: container.Id,
    status: container.State,
    image: familiar(container.Image),
    createdAt: new Date(container.Created * 1000),
    labels: container.Labels,
  })

/** Engines list creation times in whole seconds, and not every engine sorts the list. */
const oldestFirst = (a: ContainerSummary, b: ContainerSummary) =>
  a.Created - b.Created ||
  ((a.Labels[creationLabel] ?? "") < (b.Labels[creationLabel] ?? "") ? -1 : 1)

/** Finds sandboxes among an engine's containers, by the containers' names and labels. */
export const makeLookup = (engine: DockerEngine["Service"]) => {
  /**
   * The containers of an ID, oldest first. A container that can't be ended may have a replacement
   * beside it.
   */
  const containersOf = (id: SandboxId) =>
    Effect.map(engine.containerList({ name: [nameFilter(id)] }), (found) =>
      [...found].sort(oldestFirst),
    )

  /** The caller's incarnation if it exists, else the newest container of the ID. */
  const search = Effect.fnUntraced(function* (id: SandboxId) {
    const wanted = yield* Incarnation
    const containers = yield* containersOf(id)
    const found = containers.find(({ Id }) => Id === wanted?.instanceId) ?? containers.at(-1)
    if (found === undefined) return yield* new SandboxNotFound({ sandbox: id })
    return yield* engine.containerInspect(found.Id)
  })

  /** @param instanceId the last known container of the ID */
  const find = Effect.fnUntraced(function* (id: SandboxId, instanceId?: string) {
    const missing = new SandboxNotFound({ sandbox: id })
    const known = instanceId === undefined ? search(id) : engine.containerInspect(instanceId)
    const container = yield* known.pipe(
      // The container is gone, or condemned and replaced by another one.
      Effect.catchIf(
        (error) =>
          instanceId !== undefined &&
          (isEngineError("NotFound")(error) || error._tag === "SandboxCondemned"),
        () => search(id),
      ),
      Effect.catchReason("EngineError", "NotFound", () => Effect.fail(missing)),
    )
    return yield* Option.match(
      Option.filter(foundIn(container), ({ sandbox }) => sandbox.id === id),
      { onSome: Effect.succeed, onNone: () => Effect.fail(missing) },
    )
  })

  const list = Effect.fnUntraced(function* (session?: SessionKey, tags?: Tags) {
    const containers = yield* engine.containerList({
      label: [tagFilter(tags) ?? label.version],
      name: session === undefined ? undefined : [sessionFilter(session)],
    })
    return [...containers]
      .sort(oldestFirst)
      .flatMap((container) => Option.toArray(listedSandbox(container)))
      .filter((sandbox) => session === undefined || sandbox.session === session)
      .filter((sandbox) => hasTags(sandbox, tags))
  })

  return { containersOf, find, list }
}
export type Lookup = ReturnType<typeof makeLookup>
