import { Effect } from "effect"
import type { PullProgress } from "../SandboxDriver.ts"
import { Sandboxes } from "../Sandboxes.ts"
import { onStep } from "./convert.ts"
import { handleOf } from "./handle.ts"
import type { PromiseSandboxes } from "./PromiseSandboxes.ts"
import { type PromiseRuntime, run } from "./runtime.ts"

/** The face of one session. */
export const sessionOf = (runtime: PromiseRuntime, sessionId: string): PromiseSandboxes => {
  const session = Effect.flatMap(Sandboxes, (sandboxes) => sandboxes.session(sessionId))
  const { close } = runtime
  return {
    sessionId,
    create: async ({ signal, onProgress, ...options } = {}) => {
      const report = onStep<PullProgress>(onProgress)
      return await run(
        runtime,
        Effect.flatMap(session, (session) => session.create(options, report)),
        signal === undefined ? {} : { signal },
      ).then((sandbox) => handleOf(runtime, sandbox))
    },
    get: async (reference, options) =>
      handleOf(
        runtime,
        await run(
          runtime,
          Effect.flatMap(session, (session) => session.get(reference, options)),
          options,
        ),
      ),
    list: (options) =>
      run(
        runtime,
        Effect.flatMap(session, (session) => session.list),
        options,
      ),
    snapshots: {
      list: (options) =>
        run(
          runtime,
          Effect.flatMap(session, (session) => session.snapshots.list),
          options,
        ),
      remove: (name, options) =>
        run(
          runtime,
          Effect.flatMap(session, (session) => session.snapshots.remove(name)),
          options,
        ),
    },
    capabilities: (options) =>
      run(
        runtime,
        Effect.flatMap(Sandboxes, (sandboxes) => sandboxes.capabilities),
        options,
      ),
    session: (other) => sessionOf(runtime, other),
    close,
    [Symbol.asyncDispose]: close,
  }
}
