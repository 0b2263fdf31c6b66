import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Exit, Scope } from "effect"
import { type SandboxInfo, SandboxName, SessionId, sandboxId, sessionKey } from "../src/index.ts"
import { openOwner } from "../src/session/Owner.ts"

const session = sessionKey(SessionId.make("owner"))

const sandbox = (box: string, instanceId = box): SandboxInfo => {
  const name = SandboxName.make(box)
  return {
    id: sandboxId(session, name),
    name,
    session,
    instanceId,
    status: "running",
    image: "none",
    runtime: "runc",
    limits: { memory: 1, cpus: 1, pids: 1 },
    network: "none",
    lease: { idleTimeout: 1, removeTimeout: 1 },
    workdir: "/",
    createdAt: new Date(0),
  }
}

/** An owner that is closed by hand. */
const opened = Effect.fnUntraced(function* (
  removing: (sandbox: SandboxInfo) => Effect.Effect<void>,
) {
  const remove = (sandbox: SandboxInfo) => Effect.as(removing(sandbox), true)
  const scope = yield* Scope.make()
  const owner = yield* Scope.provide(openOwner("test", true, remove), scope)
  return { owner, close: Scope.close(scope, Exit.void) }
})

describe("an owner of sandboxes", () => {
  it.effect("removes its sandboxes when closed, except those already removed", () =>
    Effect.gen(function* () {
      const removed: Array<string> = []
      const { owner, close } = yield* opened(({ instanceId }) =>
        Effect.sync(() => void removed.push(instanceId)),
      )
      yield* owner.creating(Effect.succeed(sandbox("gone")))
      yield* owner.creating(Effect.succeed(sandbox("anew", "first")))
      yield* owner.creating(Effect.succeed(sandbox("anew", "second")))
      owner.disown(sandbox("gone"))
      // The removal of the first may end after the creation of the second.
      owner.disown(sandbox("anew", "first"))
      yield* close
      assert.deepStrictEqual(removed, ["second"])
    }),
  )

  it.effect("removes all of them concurrently, including those of its children", () =>
    Effect.gen(function* () {
      const together = yield* Deferred.make<void>()
      let removing = 0
      const { owner, close } = yield* opened(() => {
        removing += 1
        return removing === 4 ? Deferred.succeed(together, undefined) : Deferred.await(together)
      })
      const scope = yield* Effect.scope
      for (const names of [
        ["a", "b"],
        ["c", "d"],
      ]) {
        const child = yield* Scope.provide(owner.open(`child of ${names}`, true), scope)
        for (const name of names) yield* child.creating(Effect.succeed(sandbox(name)))
      }
      yield* close
      assert.strictEqual(removing, 4)
    }),
  )
})
