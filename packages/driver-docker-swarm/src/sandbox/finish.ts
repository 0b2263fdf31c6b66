import {
  FilePath,
  type HostError,
  ImageNotFound,
  type InvalidInput,
  type Runtime,
  RuntimeUnavailable,
  type SandboxSpec,
  type SessionKey,
} from "@cordon/core"
import type { schemas } from "@cordon/driver-docker/engine"
import { identityOf, isForeign, isSnapshot, removalSeconds } from "@cordon/driver-docker/sandbox"
import { Duration, Effect, Exit, Stream } from "effect"
import type { Manager } from "../manager/Manager.ts"
import { Container } from "../manager/schemas.ts"
import type { NodeEngine } from "../NodeEngines.ts"
import { guardNodes } from "./guard.ts"
import type { Place } from "./lookup.ts"
import { nodeRuntime } from "./service.ts"

export interface FinishOptions {
  /** The daemons' names of a runtime. */
  readonly namesOf: (runtime: Runtime) => ReadonlyArray<string>
  readonly nodesReachable: boolean
  readonly linkLocal: boolean
}

/** A container of a task that has just started. */
export interface Started {
  readonly place: Place
  readonly spec: Omit<SandboxSpec, "name">
  /** The owner; absent for a service in the warm pool. */
  readonly session: SessionKey | undefined
  /** The name of its node. */
  readonly node: string
  /** Whether its first process already is the init. */
  readonly hasInit: boolean
}

/** Sets up a task's container before its first use, with settings that a service can't express. */
export const makeFinish = (manager: Manager, options: FinishOptions) => {
  // Whether a node refuses new privileges, by endpoint. The engine does not report this.
  const hardened = new Map<string, boolean>()
  const checkHardened = Effect.fnUntraced(function* (node: NodeEngine, place: Place) {
    if (hardened.has(place.host)) return
    const root = { ...place, user: "0" }
    const status = yield* node.files
      .readFile(root, FilePath.make("/proc/1/status"))
      .pipe(Stream.decodeText, Stream.mkString)
    // gVisor does not report it, and gives no privileges of the host.
    const is = !/^NoNewPrivs:\s*0$/m.test(status)
    hardened.set(place.host, is)
    if (!is) {
      yield* Effect.logWarning(
        `The engine at ${place.host} lets programs gain privileges; set "no-new-privileges": true in its daemon.json`,
      )
    }
  })

  // Asked once, because it can't change.
  const overlayPort = Effect.cachedWithTTL(
    Effect.map(manager.swarm, ({ DataPathPort }) => DataPathPort ?? undefined),
    (exit) => (Exit.isSuccess(exit) ? Duration.infinity : 0),
  )

  return Effect.map(overlayPort, (overlayPort) => {
    // Nodes on which the bridge network reaches the swarm's own network, by their endpoints.
    const open = new Set<string>()

    /** Closes the way from a sandbox to the swarm that runs it. */
    const guard = Effect.fnUntraced(
      function* (node: NodeEngine, { instanceId, host }: Place, image: schemas.ImageInspect) {
        yield* guardNodes(node, instanceId, image, {
          port: yield* overlayPort,
          linkLocal: options.linkLocal,
          nodes: options.nodesReachable ? [] : yield* manager.nodes,
        })
        open.delete(host)
      },
      (closing, _node, { host }) =>
        Effect.catchTag(closing, "EngineError", (error) => {
          if (open.has(host)) return Effect.void
          open.add(host)
          return Effect.logWarning(
            `Sandboxes at ${host} reach the swarm's own ports; filter them as docs/swarm.md says`,
            { error: error.message },
          )
        }),
    )

    const leaveNetworks = ({ http }: NodeEngine, container: string, all: typeof Container.Type) =>
      Effect.forEach(
        Object.keys(all.NetworkSettings.Networks ?? {}),
        (network) =>
          http.run({
            operation: "leave a network",
            method: "POST",
            path: `/networks/${encodeURIComponent(network)}/disconnect`,
            body: { Container: container, Force: true },
          }),
        { discard: true },
      )

    const limitSwap = ({ http }: NodeEngine, { place, spec, node }: Started) =>
      http
        .run({
          operation: "limit swap",
          method: "POST",
          path: `/containers/${place.instanceId}/update`,
          body: { Memory: spec.limits.memory, MemorySwap: spec.limits.memory },
          idempotent: true,
        })
        .pipe(
          Effect.catchTag("EngineError", (error) =>
            Effect.logWarning(`Swap is not limited on node ${node}`, { error: error.message }),
          ),
        )

    /** Gives it an init, and looks for the user that commands are to run as. */
    const awaken = Effect.fnUntraced(function* (
      engine: NodeEngine,
      { place, spec, hasInit }: Started,
      image: schemas.ImageInspect,
    ) {
      const { greet, awaken } = engine.connections
      const removal = removalSeconds(spec)
      yield* hasInit ? greet(place.instanceId, removal) : awaken(place.instanceId, image, removal)
      yield* Effect.ignore(checkHardened(engine, place))
      const { root, user, workdir } = identityOf(spec, image)
      // The init runs as root, so nothing has looked up the user yet.
      if (root) return
      yield* engine.files.checkUser({ ...place, user })
      if (spec.workdir !== undefined) {
        yield* Effect.ignore(engine.files.ownWorkdir(place, workdir, user))
      }
    })

    /** @returns whom commands run as, and where */
    const finish = Effect.fn("finishContainer")(function* (
      engine: NodeEngine,
      started: Started,
    ): Effect.fn.Return<
      ReturnType<typeof identityOf>,
      RuntimeUnavailable | ImageNotFound | InvalidInput | HostError
    > {
      const { place, spec, session, node } = started
      const container = yield* engine.http.ask(
        {
          operation: "inspect a container",
          method: "GET",
          path: `/containers/${place.instanceId}/json`,
        },
        Container,
      )
      if (!options.namesOf(spec.runtime).includes(container.HostConfig.Runtime)) {
        yield* Effect.logError(
          `Node ${node} is labelled ${nodeRuntime}=${spec.runtime}, but its engine runs ${container.HostConfig.Runtime}`,
        )
        return yield* new RuntimeUnavailable({ runtime: spec.runtime, available: [] })
      }
      const image = yield* engine.images(container.Image)
      // This session must not see another session's snapshot on that node.
      if (session === undefined ? isSnapshot(image) : isForeign(image, session)) {
        return yield* new ImageNotFound({ image: spec.image })
      }
      // Each call takes the engine some milliseconds, and they are independent.
      yield* Effect.all(
        [
          awaken(engine, started, image),
          // gVisor can't change a limit of a running container; the capabilities say so.
          spec.runtime === "gvisor" ? Effect.void : limitSwap(engine, started),
          spec.network === "none"
            ? leaveNetworks(engine, place.instanceId, container)
            : Effect.void,
          spec.network === "bridge" ? guard(engine, place, image) : Effect.void,
        ],
        { concurrency: "unbounded", discard: true },
      )
      return identityOf(spec, image)
    })

    return {
      finish,
      /** Whether sandboxes on that node were found to reach the swarm's own ports. */
      isOpen: (host: string) => open.has(host),
      /** Whether programs on that node may gain privileges, as far as a sandbox has shown. */
      isSoft: (host: string) => hardened.get(host) === false,
    }
  })
}
export type Finish = Effect.Success<ReturnType<typeof makeFinish>>
