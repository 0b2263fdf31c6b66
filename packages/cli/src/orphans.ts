import { SandboxDriver } from "@cordon/core"
import { DockerEngine } from "@cordon/driver-docker"
import {
  type AbandonedSandbox,
  findAbandoned,
  findAbandonedSandboxes,
} from "@cordon/driver-docker/sandbox"
import { Duration, Effect, Schema } from "effect"

/** Something of ours on the engine that no program can use any more. */
export const Orphan = Schema.Struct({
  /** `container`: one that a warm pool held ready. */
  kind: Schema.Literals(["sandbox", "container", "network", "proxy", "snapshot"]),
  /** Its name on the engine; of a sandbox its ID. */
  name: Schema.String,
  /** Why no program can use it, in words. */
  reason: Schema.String,
})
export type Orphan = typeof Orphan.Type

/** The output of `cordon gc --json`. */
export const GcReport = Schema.Struct({
  /** Whether nothing was removed, since `--dry-run` was given. */
  dryRun: Schema.Boolean,
  /** What was removed, or would be. */
  removed: Schema.Array(Orphan),
})

// A process may hold a network without a container ready, for at most eight minutes.
export const settledAge = Duration.minutes(10)

const findSandboxes = Effect.gen(function* () {
  const sandboxes = yield* (yield* SandboxDriver).list()
  return yield* findAbandonedSandboxes(yield* DockerEngine, sandboxes)
})

const findOthers = Effect.fnUntraced(function* (olderThan: Duration.Duration) {
  const found = yield* findAbandoned(yield* DockerEngine, olderThan)
  return found.map(({ kind, name, reason }): Orphan => ({ kind, name, reason }))
})

const toOrphan = ({ sandbox, reason }: AbandonedSandbox): Orphan => ({
  kind: "sandbox",
  name: sandbox.id,
  reason,
})

/**
 * Lists the things that `removeOrphans` would remove.
 *
 * @param olderThan the age from which a network is abandoned. Default: 10 minutes
 */
export const listOrphans = Effect.fnUntraced(function* (olderThan: Duration.Duration = settledAge) {
  return [...(yield* findSandboxes).map(toOrphan), ...(yield* findOthers(olderThan))]
})

/** Removes everything that no program can use any more. If a removal fails, the next `gc` tries again. */
export const removeOrphans = Effect.fnUntraced(function* (olderThan: Duration.Duration) {
  const driver = yield* SandboxDriver
  const removed = yield* Effect.filter(
    yield* findSandboxes,
    ({ sandbox }) =>
      driver.remove(sandbox.id, sandbox.instanceId).pipe(
        Effect.as(true),
        Effect.catchTag("SandboxNotFound", () => Effect.succeed(true)),
        Effect.catchTag("SandboxCondemned", ({ message }) =>
          Effect.as(Effect.logWarning(message), false),
        ),
      ),
    { concurrency: 8 },
  )
  const others = yield* findOthers(olderThan)
  const swept = yield* driver.sweep(olderThan)
  return [...removed.map(toOrphan), ...others.filter(({ name }) => swept.includes(name))]
})
