import {
  EngineError,
  type HostError,
  type SandboxDriver,
  type SandboxId,
  type SandboxInfo,
  type SandboxNotFound,
} from "@cordon/core"
import { Effect } from "effect"
import type { Locator } from "../container/locator.ts"
import type { Target } from "../container/Target.ts"
import type { Host } from "./host.ts"
import type { Snapshots } from "./snapshots.ts"

/** The driver's members for snapshots. */
export const makeSnapshotMembers = (using: {
  readonly host: Host
  readonly snapshots: Snapshots
  readonly locator: Locator<Target, unknown, SandboxNotFound | HostError>
  readonly find: (id: SandboxId) => Effect.Effect<SandboxInfo, SandboxNotFound | HostError>
}): Pick<SandboxDriver["Service"], "snapshot" | "snapshots" | "removeSnapshot"> => {
  const { host, snapshots, locator, find } = using
  return {
    snapshot: Effect.fn("DockerDriver.snapshot")(function* (id, name, { passing = false } = {}) {
      const sandbox = yield* find(id)
      if ((yield* host.runtimes).get(sandbox.runtime)?.keepsFiles === false) {
        return yield* EngineError.notDone(
          "snapshot a sandbox",
          "its runtime keeps the files where the engine does not see them",
        )
      }
      return yield* locator.on(id, (_, target) => snapshots.take(target, sandbox, name, passing))
    }),
    snapshots: Effect.fn("DockerDriver.snapshots")((session, passing) =>
      snapshots.list(session, passing),
    ),
    removeSnapshot: Effect.fn("DockerDriver.removeSnapshot")((session, name) =>
      snapshots.remove(session, name),
    ),
  }
}
