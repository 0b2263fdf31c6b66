import type { HostError } from "@cordon/core"
import { Deferred, Effect } from "effect"
import type { Manager } from "../manager/Manager.ts"
import type { Task } from "../manager/schemas.ts"

// The managers send no events of tasks. They are polled at this interval, once for all waiting
// callers.
const pace = "25 millis"

interface Batch {
  readonly services: Set<string>
  readonly answer: Deferred.Deferred<ReadonlyMap<string, Task>, HostError>
}

/** Finds the tasks of services. Requests of simultaneous callers are combined. */
export const makeTaskLook = (manager: Pick<Manager, "taskList">) => {
  let next: Batch | undefined

  const ask = ({ services, answer }: Batch) =>
    Effect.sleep(pace).pipe(
      Effect.andThen(
        Effect.suspend(() => {
          next = undefined
          return manager.taskList({ service: [...services] })
        }),
      ),
      Effect.map((tasks) => new Map(tasks.map((task) => [task.ServiceID ?? "", task]))),
      Effect.onExit((exit) => Deferred.done(answer, exit)),
      Effect.ignore,
    )

  const alone = (service: string) =>
    Effect.map(manager.taskList({ service: [service] }), ([task]) => task)

  return (service: string): Effect.Effect<Task | undefined, HostError> =>
    Effect.suspend(() => {
      const batch: Batch = next ?? { services: new Set<string>(), answer: Deferred.makeUnsafe() }
      batch.services.add(service)
      const answer = Deferred.await(batch.answer).pipe(
        Effect.map((tasks) => tasks.get(service)),
        // One of them is gone, and there is no news of the others.
        Effect.catchReason("EngineError", "NotFound", () => alone(service)),
      )
      if (next !== undefined) return answer
      next = batch
      // Forked, since the first caller may be interrupted before the others.
      return Effect.andThen(Effect.forkDetach(ask(batch)), answer)
    })
}
export type TaskLook = ReturnType<typeof makeTaskLook>
