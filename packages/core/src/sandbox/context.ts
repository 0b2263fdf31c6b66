import { Duration, Effect, flow, type Stream } from "effect"
import type { Feature } from "../driver/capabilities.ts"
import { Incarnation } from "../driver/Incarnation.ts"
import type { WayOut } from "../egress/EgressBroker.ts"
import { type Closed, type HostError, type LeaseError, Unsupported } from "../errors.ts"
import type { SandboxDriver } from "../SandboxDriver.ts"
import type { Settings } from "../Settings.ts"
import type { SessionContext } from "../session/context.ts"
import type { Owner } from "../session/Owner.ts"
import type { Environment, SandboxInfo } from "../values/Sandbox.ts"
import type { SandboxId } from "../values/SandboxId.ts"
import { makePaths, type ResolvePath } from "./files/paths.ts"

/** Runs an effect as a use of the sandbox: its lease is renewed until the effect ends. */
export type Use = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E | LeaseError, R>

/** As `Use`, for as long as a stream runs. */
export type UseStream = <A, E, R>(
  stream: Stream.Stream<A, E, R>,
) => Stream.Stream<A, E | LeaseError, R>

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
  readonly whileOpen: Owner["whileOpen"]
  /** Makes a path of the sandbox absolute. */
  readonly at: ResolvePath
  /** Refuses a feature that the driver lacks, before anything is tried. */
  readonly need: (feature: Feature) => Effect.Effect<void, Unsupported | HostError>
  /** The sandbox's way out by rules, where this program is one. */
  readonly wayOut: () => WayOut | undefined
  /** The variables by which commands find that way out. */
  readonly wayOutEnv: () => Environment
  /** The secrets that this program keeps for the sandbox. */
  readonly secrets: () => Environment
}

/** How long a sandbox may take to be ready for a command: the command's own timeout, and some seconds. */
export const readyBy = (timeout: Duration.Duration | undefined): Duration.Duration | undefined =>
  timeout === undefined ? undefined : Duration.sum(timeout, Duration.seconds(8))

/** The context of one sandbox of a session. */
export const makeSandboxContext = (session: SessionContext, info: SandboxInfo): SandboxContext => {
  const { driver, leases, settings, owner, capabilities, secrets, waysOut } = session
  const { whileOpen, streamWhileOpen } = owner
  const { id, instanceId, workdir } = info
  const use: Use = flow(leases.use(info), whileOpen)
  const ask: SandboxContext["ask"] = flow(leases.ask(info), whileOpen)
  return {
    driver,
    settings,
    info,
    id,
    use,
    useStream: flow(leases.useStream(info), streamWhileOpen),
    useFor: (timeout) => flow(leases.use(info, readyBy(timeout)), whileOpen),
    useStreamFor: (timeout) => flow(leases.useStream(info, readyBy(timeout)), streamWhileOpen),
    ask,
    askIncarnation: (question) => ask(Effect.provideService(question, Incarnation, info)),
    whileOpen,
    at: makePaths((user) => use(driver.identify(id, user)), workdir),
    need: Effect.fnUntraced(function* (feature) {
      const { driver, features } = yield* capabilities
      if (!features.includes(feature)) return yield* new Unsupported({ feature, driver })
    }),
    wayOut: () => waysOut.of(info),
    wayOutEnv: () => waysOut.env(info),
    secrets: () => secrets.get(instanceId) ?? {},
  }
}
