import {
  EngineError,
  type HostError,
  requireIncarnation,
  type SandboxDriver,
  type SandboxId,
  SandboxNotRunning,
  type SandboxStatus,
} from "@cordon/core"
import { Effect } from "effect"
import type { Manager } from "../manager/Manager.ts"
import type { Task } from "../manager/schemas.ts"
import type { NodeEngine } from "../NodeEngines.ts"
import { type At, type Lookup, type SwarmLocator, settled } from "./lookup.ts"
import { statusOf } from "./placement.ts"
import { stateLabel } from "./service.ts"

type Driver = SandboxDriver["Service"]

const ended = (name: string | undefined, task: Task | undefined) =>
  new EngineError({
    operation: "start a sandbox",
    reason: { _tag: "Failed" },
    detail: `its task on node ${name ?? "unknown"} has ended (${task?.Status.Err || task?.Status.Message || "its node was drained or lost"}), and a swarm does not restart a task; remove the sandbox and create another one`,
  })

/** Stopping, pausing and going on, in place: a task's container must not end. */
export const makeStates = (
  manager: Manager,
  at: At,
  { look }: Lookup,
  { forget }: Pick<SwarmLocator, "forget">,
) => {
  /** Changes the state of a sandbox whose task runs, from any earlier state. */
  const turn = <E>(
    id: SandboxId,
    act: (
      node: NodeEngine,
      container: string,
      status: SandboxStatus,
    ) => Effect.Effect<"stopped" | "paused" | undefined, E | HostError>,
    refuse: (
      status: SandboxStatus,
      name: string | undefined,
      task: Task | undefined,
    ) => Effect.Effect<void, E>,
  ) =>
    Effect.gen(function* () {
      yield* forget(id)
      const { sandbox, place, task, node } = yield* look(id)
      yield* requireIncarnation(sandbox)
      if (place === undefined || node === undefined || statusOf(task, node) !== "running") {
        return yield* refuse(sandbox.status, node?.Description.Hostname, task)
      }
      const state = yield* Effect.flatMap(at(place.host), (engine) =>
        act(engine, place.instanceId, sandbox.status),
      )
      const wanted = state ?? "running"
      if (wanted !== sandbox.status) {
        yield* settled(id)(manager.serviceLabel(place.service, { [stateLabel]: state }))
      }
      yield* forget(id)
    }).pipe(Effect.scoped, Effect.uninterruptible)

  const frozen = (id: SandboxId, wanted: "paused" | undefined) =>
    turn<SandboxNotRunning>(
      id,
      (node, container, status) =>
        Effect.gen(function* () {
          if (status === "stopped") return yield* new SandboxNotRunning({ sandbox: id, status })
          const { freeze, thaw } = node.inPlace
          yield* wanted === "paused" ? freeze(container) : thaw(container)
          return wanted
        }),
      (status) => Effect.fail(new SandboxNotRunning({ sandbox: id, status })),
    )

  const start: Driver["start"] = Effect.fn("SwarmDriver.start")((id) =>
    turn(
      id,
      ({ inPlace }, container, status) =>
        Effect.as((status === "stopped" ? inPlace.restart : inPlace.thaw)(container), undefined),
      (_, name, task) => Effect.fail(ended(name, task)),
    ),
  )

  const stop: Driver["stop"] = Effect.fn("SwarmDriver.stop")((id) =>
    turn(
      id,
      (node, container, status) =>
        Effect.as(
          status === "stopped" ? Effect.void : node.inPlace.stop(container),
          "stopped" as const,
        ),
      () => Effect.void,
    ),
  )

  const pause: Driver["pause"] = Effect.fn("SwarmDriver.pause")((id) => frozen(id, "paused"))
  const resume: Driver["resume"] = Effect.fn("SwarmDriver.resume")((id) => frozen(id, undefined))

  return { start, stop, pause, resume }
}
