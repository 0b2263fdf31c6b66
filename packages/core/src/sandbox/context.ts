import { Duration, type Effect, type Stream } from "effect"
import type { Feature } from "../driver/capabilities.ts"
import type { WaysOut } from "../egress/waysOut.ts"
import type { Closed, HostError, LeaseError, Unsupported } from "../errors.ts"
import type { SandboxDriver } from "../SandboxDriver.ts"
import type { Settings } from "../Settings.ts"
import type { Environment, SandboxInfo } from "../values/Sandbox.ts"
import type { SandboxId } from "../values/SandboxId.ts"
import type { ResolvePath } from "./files/paths.ts"

/** Runs an effect as a use of the sandbox: its lease is renewed until the effect ends. */
export type Use = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | LeaseError, R>

/** As `Use`, for as long as a stream runs. */
export type UseStream = <A, E, R>(
  stream: Stream.Stream<A, E, R>,
) => Stream.Stream<A, E | LeaseError, R>

/** Lifecycle of one sandbox together with its lease. */
interface Lifecycle {
  /** Lets the sandbox count as used for some milliseconds from now on. */
  readonly extend: (milliseconds: number) => Effect.Effect<void, LeaseError>
  readonly start: Effect.Effect<void, LeaseError>
  readonly stop: Effect.Effect<void, LeaseError>
  /** Removes the sandbox, and all that this program keeps of it. */
  readonly remove: Effect.Effect<void, LeaseError>
}

/** What every part of a sandbox's handle needs. */
export interface SandboxContext {
  readonly driver: SandboxDriver["Service"]
  readonly settings: Settings["Service"]
  /** The sandbox as it was when its handle was made. */
  readonly info: SandboxInfo
  readonly id: SandboxId
  readonly use: Use
  readonly useStream: UseStream
  /** As `use`, for a command: the sandbox must be ready for it soon after the command's own timeout. */
  readonly useFor: (timeout: Duration.Duration | undefined) => Use
  /** As `useStream`, for a command. */
  readonly useStreamFor: (timeout: Duration.Duration | undefined) => UseStream
  /** Asks the driver something that does not count as a use of the sandbox. */
  readonly ask: <A, E, R>(
    question: Effect.Effect<A, E, R>,
  ) => Effect.Effect<A, E | HostError | Closed, R>
  /** As `ask`, of this incarnation only: one that was made anew under the same name has its own handle. */
  readonly askIncarnation: SandboxContext["ask"]
  /** Breaks an effect off, or refuses it, once the session is closed. */
  readonly whileOpen: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | Closed, R>
  /** As `whileOpen`, for a stream. */
  readonly streamWhileOpen: <A, E, R>(
    stream: Stream.Stream<A, E, R>,
  ) => Stream.Stream<A, E | Closed, R>
  /** Starts, stops, extends and removes the sandbox for its session. */
  readonly lifecycle: Lifecycle
  /** Makes a path of the sandbox absolute. */
  readonly at: ResolvePath
  /** Refuses a feature that the driver lacks, before anything is tried. */
  readonly need: (feature: Feature) => Effect.Effect<void, Unsupported | HostError>
  /** The ways out by rules that this program is. */
  readonly waysOut: WaysOut
  /** The secrets that this program keeps for the sandbox. */
  readonly secrets: () => Environment
}

/** How long a sandbox may take to be ready for a command: the command's own timeout, and some seconds. */
export const readyBy = (timeout: Duration.Duration | undefined): Duration.Duration | undefined =>
  timeout === undefined ? undefined : Duration.sum(timeout, Duration.seconds(8))
