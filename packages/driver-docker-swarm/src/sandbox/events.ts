import {
  EngineError,
  type HostError,
  type SandboxDriver,
  SandboxEvent,
  SandboxId,
} from "@cordon/core"
import type { schemas } from "@cordon/driver-docker/engine"
import { Effect, Option, Schema, Stream } from "effect"
import type { Manager } from "../manager/Manager.ts"
import { isAhead } from "./ahead.ts"
import type { Nodes } from "./nodes.ts"
import { ownerLabel } from "./service.ts"

const decodeId = Schema.decodeUnknownOption(SandboxId)

const nodesChanged = EngineError.notDone("watch events", "the swarm's nodes changed")

/** Events of sandboxes. Creation and removal come from the managers, everything in between from the nodes. */
export const makeEvents = (manager: Manager, nodes: Nodes): SandboxDriver["Service"]["events"] =>
  Stream.unwrap(
    Effect.gen(function* () {
      const engines = yield* nodes.reachable(yield* manager.nodes)
      // The owners of services that were made ahead, by the service's ID.
      const owners = new Map<string, SandboxId>()
      const ownerOf = Effect.fnUntraced(function* (id: string) {
        const known = owners.get(id)
        if (known !== undefined) return Option.some(known)
        const service = yield* Effect.option(manager.serviceInspect(id))
        const owner = Option.flatMap(service, ({ Spec }) => decodeId(Spec.Labels?.[ownerLabel]))
        if (Option.isSome(owner)) owners.set(id, owner.value)
        return owner
      })
      const ofNodes = engines.map(({ hub }) =>
        hub.events.pipe(
          Stream.filter((event) => event._tag !== "Created" && event._tag !== "Removed"),
          Stream.mapEffect((event) =>
            isAhead(event.id)
              ? Effect.map(ownerOf(event.id), (owner) =>
                  Option.map(owner, (id): SandboxEvent => ({ ...event, id })),
                )
              : Effect.succeedSome(event),
          ),
          Stream.flatMap((event) => Stream.fromIterable(Option.toArray(event))),
        ),
      )
      const ofSwarm = manager.events.pipe(
        Stream.mapEffect(
          Effect.fnUntraced(function* (
            event: schemas.EngineEvent,
          ): Effect.fn.Return<ReadonlyArray<SandboxEvent>, HostError> {
            if (event.Type === "node") {
              // The set of nodes has changed, so the subscription restarts.
              const isOther = event.Action === "create" || event.Action === "remove"
              return isOther ? yield* nodesChanged : []
            }
            const id = Option.getOrUndefined(decodeId(event.Actor.Attributes?.["name"]))
            if (id === undefined) return []
            if (isAhead(id)) {
              if (event.Action === "remove") owners.delete(id)
              if (event.Action !== "update" || owners.has(id)) return []
              // It ran in the warm pool before it was a sandbox.
              return Option.toArray(yield* ownerOf(id)).map((id) => SandboxEvent.Started({ id }))
            }
            if (event.Action === "create") return [SandboxEvent.Created({ id })]
            return event.Action === "remove" ? [SandboxEvent.Removed({ id })] : []
          }),
        ),
        Stream.flatMap((events) => Stream.fromIterable(events)),
      )
      return Stream.mergeAll([ofSwarm, ...ofNodes], { concurrency: "unbounded" })
    }),
  )
