import { SandboxDriver, type SandboxInfo } from "@cordon/core"
import { DockerEngine } from "@cordon/driver-docker"
import { label, networkOf } from "@cordon/driver-docker/engine"
import { Duration, Effect, Schema } from "effect"

/** Something of ours on the engine that nobody can have a use for any more. */
export const Orphan = Schema.Struct({
  kind: Schema.Literals(["network", "sandbox"]),
  name: Schema.String,
  reason: Schema.String,
})
export type Orphan = typeof Orphan.Type

/** What `cordon gc --json` prints. */
export const GcReport = Schema.Struct({
  dryRun: Schema.Boolean,
  removed: Schema.Array(Orphan),
})

// A network without a container may be one that a process holds ready, for eight minutes at most.
export const settledAge = Duration.minutes(10)

/**
 * Networks without a container that are older than `olderThan`, and sandboxes that have been stopped for longer than their lease
 * lets them be: a program that still lived would have removed them. What runs is left alone, since
 * only the program that uses it knows when it was used.
 */
export const findOrphans = Effect.fnUntraced(function* (olderThan: Duration.Duration = settledAge) {
  const engine = yield* DockerEngine
  const driver = yield* SandboxDriver
  const networks = yield* engine.networkList({ label: [label.version], driver: ["bridge"] })
  const containers = yield* engine.containerList({ label: [label.version] })
  const { SystemTime } = yield* engine.info
  const now = SystemTime ? Date.parse(SystemTime) : Date.now()
  const inUse = new Set(containers.map(networkOf))
  const abandoned = networks
    .filter(
      ({ Name, Created }) =>
        !inUse.has(Name) && now - Date.parse(Created) >= Duration.toMillis(olderThan),
    )
    .map(({ Name }): Orphan => ({ kind: "network", name: Name, reason: "it has no sandbox" }))
  const present = yield* driver.list()
  const newest = new Map(present.map((info) => [info.id, info]))
  const replaced = present.filter((info) => newest.get(info.id) !== info)
  const stopped = [...newest.values()].filter(({ status }) => status === "stopped")
  const overdue = yield* Effect.filter(
    stopped,
    ({ instanceId, lease }) =>
      engine.containerInspect(instanceId).pipe(
        Effect.map(
          ({ State }) =>
            !State.Running &&
            State.FinishedAt != null &&
            now - Date.parse(State.FinishedAt) > lease.removeTimeout,
        ),
        // Just removed by somebody else, or nothing that the engine tells of.
        Effect.orElseSucceed(() => false),
      ),
    { concurrency: 8 },
  )
  const sandboxes = [
    ...overdue.map((info) => ({
      info,
      reason: "it has been stopped for longer than its lease allows",
    })),
    ...replaced.map((info) => ({
      info,
      reason: "it could not be ended, and another one has been made in its place",
    })),
  ]
  return { sandboxes, networks: abandoned }
})

const toOrphan = ({ info, reason }: { readonly info: SandboxInfo; readonly reason: string }) => ({
  kind: "sandbox" as const,
  name: info.id,
  reason,
})

/** What `removeOrphans` would remove. */
export const listOrphans = Effect.fnUntraced(function* (olderThan?: Duration.Duration) {
  const { sandboxes, networks } = yield* findOrphans(olderThan)
  return [...sandboxes.map(toOrphan), ...networks]
})

/** Removes what `findOrphans` finds, and what a warm pool's dead process had made ahead. */
export const removeOrphans = Effect.fnUntraced(function* (olderThan: Duration.Duration) {
  const driver = yield* SandboxDriver
  const { sandboxes, networks } = yield* findOrphans(olderThan)
  const removed = yield* Effect.filter(
    sandboxes,
    ({ info }) =>
      driver.remove(info.id, info.instanceId).pipe(
        Effect.as(true),
        Effect.catchTag("SandboxNotFound", () => Effect.succeed(true)),
        // It must not keep the others from being removed; the next `gc` tries again.
        Effect.catchTag("SandboxCondemned", ({ message }) =>
          Effect.as(Effect.logWarning(message), false),
        ),
      ),
    { concurrency: 8 },
  )
  const swept = yield* driver.sweep(olderThan)
  const known = new Set(networks.map(({ name }) => name))
  return [
    ...removed.map(toOrphan),
    ...networks.filter(({ name }) => swept.includes(name)),
    ...swept
      .filter((name) => !known.has(name))
      .map((name): Orphan => ({ kind: "network", name, reason: "its process is gone" })),
  ]
})
