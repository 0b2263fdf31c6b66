import { Context, type Effect } from "effect"
import type { DriverCapabilities } from "./driver/capabilities.ts"
import type { DriverCommands } from "./driver/commands.ts"
import type { DriverFiles } from "./driver/files.ts"
import type { DriverLifecycle } from "./driver/lifecycle.ts"
import type { DriverPorts } from "./driver/ports.ts"
import type { DriverProcesses } from "./driver/processes.ts"
import type { DriverSnapshots } from "./driver/snapshots.ts"
import type { FileError, HostError, SandboxNotFound, Unsupported } from "./errors.ts"
import type { EgressAttempt } from "./values/Egress.ts"
import type { SandboxId } from "./values/SandboxId.ts"
import type { SandboxStats } from "./values/Stats.ts"

/**
 * The interface of all drivers. The core reaches containers of any kind, or none, only through it.
 *
 * A driver keeps no policy: sessions, defaults, leases and quotas belong to the core. A driver guarantees
 * that a failed or interrupted `create` leaves nothing behind, that an interrupted `exec` leaves no process
 * behind, and that files are read and written with the rights of the sandbox's user. If the caller holds a
 * lease on an incarnation, the driver acts on no other one: see `requireIncarnation`.
 *
 * @example
 * import { SandboxDriver } from "@cordon/core"
 * import { docker } from "@cordon/driver-docker"
 *
 * const { host, features } = yield* Effect.flatMap(SandboxDriver, (driver) => driver.capabilities).pipe(
 *   Effect.provide(docker()),
 * )
 */
export class SandboxDriver extends Context.Service<
  SandboxDriver,
  DriverLifecycle &
    DriverSnapshots &
    DriverCommands &
    DriverProcesses &
    DriverPorts &
    DriverFiles & {
      /** What the host offers. */
      readonly capabilities: Effect.Effect<DriverCapabilities, HostError>

      /**
       * What a running sandbox uses now. It is called often, so it must be cheap; it is no use of the sandbox. Numbers
       * that are not known are left out.
       */
      readonly stats: (id: SandboxId) => Effect.Effect<SandboxStats, FileError | Unsupported>

      /**
       * The connections that a sandbox with an allow-list tried, oldest first, as far back as the host keeps them; empty
       * for a sandbox without an allow-list.
       */
      readonly egressAttempts: (
        id: SandboxId,
      ) => Effect.Effect<ReadonlyArray<EgressAttempt>, SandboxNotFound | HostError | Unsupported>
    }
>()("@cordon/core/SandboxDriver") {}
