import type { HostError } from "@cordon/core"
import { Effect, type Scope } from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import { type EventHub, makeEventHub } from "../sandbox/events.ts"
import { makeCommands } from "./commands.ts"
import { type Connections, makeConnections } from "./connections.ts"
import { judgeLoss } from "./ends.ts"
import { type ContainerFiles, makeContainerFiles } from "./files.ts"
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

/** Everything that is done inside the running containers of one engine. */
export interface Containers {
  /** The connections to the containers' inits. */
  readonly connections: Connections
  /** What the engine tells about its containers. */
  readonly hub: EventHub
  readonly exec: ReturnType<typeof makeCommands>
  readonly terminal: ReturnType<typeof makeTerminals>
  /** Background processes. */
  readonly processes: ContainerProcesses
  readonly files: ContainerFiles
  readonly ports: ContainerPorts
  readonly stats: ReturnType<typeof makeContainerStats>
  readonly identify: ReturnType<typeof makeUsers>
  readonly usageOf: ReturnType<typeof makeUsageOf>
  readonly isIdle: ReturnType<typeof makeIsIdle>
  readonly forgetProcesses: ReturnType<typeof makeForgetProcesses>
}

/** How the containers of a driver differ from those that a driver makes and starts itself. */
export interface ContainersOptions {
  /**
   * Ends all processes of a container that does not end a command when it is told to. Where absent, such a
   * container is started anew, as is one that its own memory limit has ended.
   */
  readonly end?: (instanceId: string) => Effect.Effect<void, HostError>
  /** Called with the labels of each container that starts. */
  readonly started?: (labels: Readonly<Record<string, string>>) => Effect.Effect<void>
}

/** Uses the containers of an engine, and watches its events, for as long as the scope lives. */
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
