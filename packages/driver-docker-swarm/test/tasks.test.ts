import { EngineError } from "@cordon/core"
import type { Filters } from "@cordon/driver-docker"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Task } from "../src/manager/schemas.ts"
import { makeTaskLook } from "../src/sandbox/tasks.ts"

const taskOf = (service: string): Task => ({
  ID: `task-of-${service}`,
  ServiceID: service,
  DesiredState: "running",
  Status: { State: "running" },
})

/** A manager that notes what it is asked for, and knows all services but one. */
const makeManager = () => {
  const asked: Array<ReadonlyArray<string>> = []
  return {
    asked,
    taskList: ({ service = [] }: Filters) =>
      Effect.suspend(() => {
        asked.push(service)
        return service.includes("gone")
          ? Effect.fail(
              new EngineError({
                operation: "list tasks",
                reason: { _tag: "NotFound" },
                detail: "gone",
              }),
            )
          : Effect.succeed(service.map(taskOf))
      }),
  }
}

describe("queries for tasks", () => {
  it.live("are sent once for all waiting callers", () =>
    Effect.gen(function* () {
      const manager = makeManager()
      const look = makeTaskLook(manager)
      const found = yield* Effect.forEach(["a", "b", "a"], look, { concurrency: "unbounded" })
      assert.deepStrictEqual(
        found.map((task) => task?.ID),
        ["task-of-a", "task-of-b", "task-of-a"],
      )
      assert.deepStrictEqual(manager.asked, [["a", "b"]])
    }),
  )

  it.live("find the other services when one is gone", () =>
    Effect.gen(function* () {
      const look = makeTaskLook(makeManager())
      const found = yield* Effect.forEach(["a", "gone"], (id) => Effect.result(look(id)), {
        concurrency: "unbounded",
      })
      assert.deepStrictEqual(
        found.map(({ _tag }) => _tag),
        ["Success", "Failure"],
      )
    }),
  )

  it.live("continue for the other callers when the first one is interrupted", () =>
    Effect.gen(function* () {
      const look = makeTaskLook(makeManager())
      const [, second] = yield* Effect.all(
        [Effect.timeoutOption(look("a"), "5 millis"), look("b")],
        { concurrency: 2 },
      )
      assert.strictEqual(second?.ID, "task-of-b")
    }),
  )
})
