import { hasTags, type SandboxDriver } from "@cordon/core"
import { label, tagFilter } from "@cordon/driver-docker/sandbox"
import { Effect, Option } from "effect"
import type { Manager } from "../manager/Manager.ts"
import { toInfo } from "./lookup.ts"
import { attemptLabel, isCreating, runningServiceOf } from "./service.ts"

/** Lists sandboxes by the services of the swarm. */
export const makeList = (manager: Manager): SandboxDriver["Service"]["list"] =>
  Effect.fn("SwarmDriver.list")(function* (session, tags) {
    const filter = session === undefined ? label.session : `${label.session}=${session}`
    const tag = tagFilter(tags)
    const [services, tasks, nodes] = yield* Effect.all(
      [
        manager.serviceList({ label: [filter, ...(tag === undefined ? [] : [tag])] }),
        // Tasks of the warm pool have this label too, but they have no sandbox ID.
        manager.taskList({ label: [attemptLabel] }),
        manager.nodes,
      ],
      { concurrency: "unbounded" },
    )
    const taskOf = new Map(tasks.map((task) => [task.ServiceID, task]))
    const nodeOf = new Map(nodes.map((node) => [node.ID, node]))
    return services
      .filter((service) => !isCreating(service))
      .flatMap((service) => {
        const task = taskOf.get(runningServiceOf(service))
        return Option.toArray(toInfo(service, task, nodeOf.get(task?.NodeID ?? "")))
      })
      .filter((sandbox) => hasTags(sandbox, tags))
      .sort((a, b) => a.createdAt.getTime() - b.createdAt.getTime())
  })
