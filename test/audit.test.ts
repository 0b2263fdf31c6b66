import { layerSandboxes } from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { AuditTrail, createTools, makeToolset, type ToolCall } from "@cordon/tools"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Layer, Stream } from "effect"

const secret = "a-secret-word"

describe("AuditTrail", () => {
  it.live("records session, tool, time and outcome of every call, and none of its contents", () =>
    Effect.gen(function* () {
      const { calls } = yield* AuditTrail
      const { byName } = yield* makeToolset({ sessionId: "user-42" })
      const reading = yield* Effect.forkScoped(Stream.runCollect(Stream.take(calls, 6)))
      yield* Effect.sleep("50 millis")
      const before = Date.now()
      yield* byName.sandbox_create.handle({ name: "box" })
      const path = `${secret}.txt`
      yield* byName.sandbox_write_file.handle({ sandbox: "box", path, content: secret })
      yield* byName.sandbox_exec.handle({ sandbox: "box", command: `echo ${secret}` })
      yield* byName.sandbox_read_file.handle({ sandbox: "box", path: "none" })
      yield* byName.sandbox_exec.handle({ sandbox: `not a name ${secret}`, command: secret })
      const fiber = yield* Effect.forkScoped(
        byName.sandbox_exec.handle({ sandbox: "box", command: "sleep 60" }),
      )
      yield* Effect.sleep("200 millis")
      yield* Fiber.interrupt(fiber)
      const seen = Array.from(yield* Fiber.join(reading))
      assert.deepStrictEqual(
        seen.map(({ tool, sandbox, outcome }) => [tool, sandbox, outcome].join(" ")),
        [
          "sandbox_create box ok",
          "sandbox_write_file box ok",
          "sandbox_exec box ok",
          "sandbox_read_file box FileNotFound",
          "sandbox_exec  SandboxNotFound",
          "sandbox_exec box interrupted",
        ],
      )
      for (const { sessionId, startedAt, duration } of seen) {
        assert.strictEqual(sessionId, "user-42")
        assert.isAtLeast(startedAt.getTime(), before)
        assert.isAtLeast(duration, 0)
      }
      assert.notInclude(JSON.stringify(seen), secret)
    }).pipe(
      Effect.provide(Layer.merge(layerSandboxes({ driver: memory() }), AuditTrail.layer)),
      Effect.scoped,
    ),
  )

  it("tells programs without Effect of each call through onToolCall", async () => {
    const seen: Array<ToolCall> = []
    await using toolset = createTools({
      driver: memory(),
      sessionId: "user-43",
      onToolCall: (call) => seen.push(call),
    })
    await toolset.byName.sandbox_create.execute({ name: "box" })
    await toolset.byName.sandbox_exec.execute({ sandbox: "nobody", command: "true" })
    assert.deepStrictEqual(
      seen.map(({ sessionId, tool, sandbox, outcome }) => ({ sessionId, tool, sandbox, outcome })),
      [
        { sessionId: "user-43", tool: "sandbox_create", sandbox: "box", outcome: "ok" },
        {
          sessionId: "user-43",
          tool: "sandbox_exec",
          sandbox: "nobody",
          outcome: "SandboxNotFound",
        },
      ],
    )
  })
})
