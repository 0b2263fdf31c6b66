import type { HostError } from "@cordon/core"
import { Effect, type Scope } from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import { makeCommands } from "./commands.ts"
import { type Connections, makeConnections } from "./connections.ts"
import { type EventHub, makeEventHub } from "./events.ts"
import { type ContainerFiles, makeContainerFiles } from "./files.ts"
import { judgeLoss } from "./lostConnection.ts"
import { type ContainerPorts, makeContainerPorts } from "./ports.ts"
import {
  type ContainerProcesses,
  makeContainerProcesses,
  makeForgetProcesses,
} from "./processes.ts"
import { makeContainerStats } from "./stats.ts"
import { makeTerminals } from "./terminals.ts"
import { makeIsIdle, makeUsageOf } from "./usage.ts"
import { makeUsers } from "./users.ts"

/** The operations inside the running containers of one engine. */
export interface Containers {
  /** The connections to the containers' inits. */
  readonly connections: Connections
  /** The engine's events about its containers. */
  readonly hub: EventHub
  /** As `SandboxDriver.exec`, with a target in place of an ID. */
  readonly exec: ReturnType<typeof makeCommands>
  /** As `SandboxDriver.terminal`, with a target in place of an ID. */
  readonly terminal: ReturnType<typeof makeTerminals>
  /** Background processes. */
  readonly processes: ContainerProcesses
  /** The files of running containers. */
  readonly files: ContainerFiles
  /** Connections to and from ports of running containers. */
  readonly ports: ContainerPorts
  /** As `SandboxDriver.stats`, with a target in place of an ID. */
  readonly stats: ReturnType<typeof makeContainerStats>
  /** As `SandboxDriver.identify`, with a target in place of an ID. */
  readonly identify: ReturnType<typeof makeUsers>
  /**
   * The init's report of how a running sandbox is used; none if the init does not answer within 5
   * seconds.
   */
  readonly usageOf: ReturnType<typeof makeUsageOf>
  /** Whether a sandbox has no command, file operation or kept process. */
  readonly isIdle: ReturnType<typeof makeIsIdle>
  /** Forgets all background processes of a container, for a restart that keeps process 1. */
  readonly forgetProcesses: ReturnType<typeof makeForgetProcesses>
}

/**
 * Differences between containers that something else starts (a swarm, for example) and those that
 * the driver starts itself.
 */
export interface ContainersOptions {
  /**
   * Ends all processes of a container that fails to end a command. Without it, such a container is
   * restarted, and so is a container that its own memory limit has ended.
   */
  readonly end?: (instanceId: string) => Effect.Effect<void, HostError>
  /** Called with the labels of each container that starts. */
  readonly started?: (labels: Readonly<Record<string, string>>) => Effect.Effect<void>
}

/** Uses the containers of an engine and watches its events until the scope ends. */
export const makeContainers = Effect.fnUntraced(function* (
  engine: DockerEngine["Service"],
  { end, started }: ContainersOptions = {},
): Effect.fn.Return<Containers, never, Scope.Scope> {
  const connections = yield* makeConnections(engine, { end })
  const hub = yield* makeEventHub(engine, { ...connections, started })
  const relaunch = end === undefined ? connections.relaunch : undefined
  const running = { engine, hub, connections, judgeLoss: judgeLoss(engine, hub, relaunch) }
  const files = makeContainerFiles(engine, connections)
  return {
    connections,
    hub,
    exec: makeCommands(running),
    terminal: makeTerminals(running),
    processes: makeContainerProcesses(running),
    files,
    ports: makeContainerPorts(engine, connections),
    stats: makeContainerStats(files),
    identify: makeUsers(engine, connections),
    usageOf: makeUsageOf(connections),
    isIdle: makeIsIdle(connections),
    forgetProcesses: makeForgetProcesses(connections),
  }
})
