import { Effect } from "effect"
import type { PullProgress } from "../SandboxDriver.ts"
import { Sandboxes } from "../Sandboxes.ts"
import { handleOf } from "./handle.ts"
import type { PromiseSandboxes } from "./PromiseSandboxes.ts"
import { type Runtime, run } from "./runtime.ts"

/** The face of one session. */
export const sessionOf = (runtime: Runtime, sessionId: string): PromiseSandboxes => {
  const session = Effect.flatMap(Sandboxes, (sandboxes) => sandboxes.session(sessionId))
  const close = () => runtime.dispose()
  return {
    sessionId,
    create: async ({ signal, onProgress, ...options } = {}) => {
      const report =
        onProgress && ((progress: PullProgress) => Effect.sync(() => onProgress(progress)))
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
