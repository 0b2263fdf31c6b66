import { EngineError, EngineUnreachable, type HostError, makeKeyedLock } from "@cordon/core"
import { Duration, Effect, Exit, Latch, Option, RcMap, Scope } from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import { isEngineError } from "../engine/failures.ts"
import type { ImageInspect } from "../engine/schemas.ts"
import { type ConnectionError, InitLost } from "../init/errors.ts"
import type { InitConnection } from "../init/InitConnection.ts"
import { leaseOf } from "../Labels.ts"
import { initPath } from "./initArchive.ts"
import { makeOpening } from "./opening.ts"
import { answers, type Stuck } from "./refusals.ts"
import { removalSeconds, secondsAlone } from "./removal.ts"
import { makeResets } from "./resets.ts"

/** A connection to the init of a running sandbox. */
export interface Connected {
  readonly init: InitConnection
  /**
   * Waits at most 8 seconds for the end of a call that did not end when told to. The call may end
   * late (if the engine hung), or because its container is restarted, which ends all processes and
   * keeps the files. A paused container is left alone: it ends the call when it is resumed.
   *
   * @returns whether the container was restarted
   */
  readonly reset: Effect.Effect<boolean, InitLost | HostError | Stuck>
}

export interface ConnectionOptions {
  /** Ends a container whose processes do not end when told to. Without it, the container is restarted. */
  readonly end?: ((instanceId: string) => Effect.Effect<void, HostError>) | undefined
}

/** A POSIX sh program that waits for a line of input and then execs the init with its arguments. */
export const becomesInit = `trap 'exit 0' TERM
read -r line && unset line PWD OLDPWD SHLVL && exec ${initPath} "$@"`
const line = new TextEncoder().encode("\n")

/** The connections of this process to the inits of an engine's containers: at most one to each. */
export const makeConnections = Effect.fnUntraced(function* (
  engine: DockerEngine["Service"],
  { end }: ConnectionOptions = {},
) {
  const { over, byHelper, requireTables, requireHello, putInit } = yield* makeOpening(engine)
  const alone = makeKeyedLock<string>()
  // Connections that were attached before their container's start, until they are in the map.
  const attached = new Map<
    string,
    { readonly init: InitConnection; readonly scope: Scope.Closeable }
  >()
  // Released when a connection is found to be cut or silent.
  const silence = Latch.makeUnsafe()
  // The current connection of each container. An older connection of the same container may end
  // later.
  const current = new Map<string, InitConnection>()

  const drop = (instanceId: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      current.delete(instanceId)
      return RcMap.invalidate(map, instanceId)
    })

  /** Opens a connection to a container and keeps it in place of any other. */
  const keep = <E>(
    instanceId: string,
    open: Effect.Effect<InitConnection, E, Scope.Scope>,
  ): Effect.Effect<void, E | HostError> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        return yield* restore(
          Effect.gen(function* () {
            const init = yield* Scope.provide(open, scope)
            yield* drop(instanceId)
            attached.set(instanceId, { init, scope })
            yield* Effect.scoped(RcMap.get(map, instanceId))
          }),
        ).pipe(
          Effect.onError((cause) => {
            attached.delete(instanceId)
            return Scope.close(scope, Exit.failCause(cause))
          }),
        )
      }),
    )

  const attach = (instanceId: string, removal?: number, first?: Uint8Array) =>
    over(engine.containerAttach(instanceId), removal, first)

  /**
   * Attaches to a container that has the init, and starts the container. If the container already
   * runs, its connection is not affected.
   */
  const launch = <E>(
    instanceId: string,
    start: Effect.Effect<void, E>,
    removal?: number,
  ): Effect.Effect<void, E | HostError> =>
    keep(
      instanceId,
      Effect.tap(attach(instanceId, removal), () => start),
    )

  /** Like `launch`, for a container that has ended: copies the init into it again first. */
  const relaunch = Effect.fnUntraced(function* (instanceId: string) {
    yield* requireTables(instanceId)
    const { Image, Config } = yield* engine.containerInspect(instanceId)
    yield* putInit(instanceId, yield* engine.imageInspect(Image ?? ""))
    // The new process 1 must be told again how long the sandbox may live.
    const lease = Option.getOrUndefined(leaseOf(Config.Labels))
    const removal = lease && removalSeconds({ lease })
    yield* launch(instanceId, engine.containerStart(instanceId), removal)
    // If another program died between its attachment and its start, the engine closed the input of
    // every attachment: the init's greeting comes, and nothing reaches the init.
    const isHeard = yield* current.get(instanceId)?.proved ?? Effect.succeed(false)
    if (!isHeard) yield* keep(instanceId, byHelper(instanceId, removal))
  })

  const isPaused = (instanceId: string) =>
    Effect.map(engine.containerInspect(instanceId), ({ State }) => State.Status === "paused")

  const reset = (instanceId: string, init: InitConnection): Effect.Effect<boolean, HostError> =>
    Effect.gen(function* () {
      if (yield* isPaused(instanceId)) return false
      // The call has ended while the engine was asked.
      if (init.isSettled) return false
      if (end !== undefined) return yield* Effect.as(end(instanceId), true)
      yield* drop(instanceId)
      // The container may have ended already.
      yield* Effect.catchIf(
        engine.containerKill(instanceId),
        isEngineError("NotFound", "NotRunning", "Paused", "Conflict"),
        () => Effect.void,
      )
      yield* relaunch(instanceId)
      return true
    })

  const connect = Effect.fnUntraced(function* (
    instanceId: string,
  ): Effect.fn.Return<Connected, HostError, Scope.Scope> {
    const first = attached.get(instanceId)
    attached.delete(instanceId)
    if (first !== undefined) yield* Effect.addFinalizer((exit) => Scope.close(first.scope, exit))
    // Never while the container is being paused: the engine would then block all calls about it.
    const init = first === undefined ? yield* alone(instanceId)(byHelper(instanceId)) : first.init
    current.set(instanceId, init)
    const forget = Effect.suspend(() => {
      if (current.get(instanceId) !== init) return Effect.void
      current.delete(instanceId)
      return drop(instanceId)
    })
    const resets = makeResets({
      init,
      endpoint: engine.endpoint,
      isPaused: answers(engine, isPaused(instanceId)),
      reset: reset(instanceId, init),
    })
    const watch = Effect.flatMap(resets.watch, (end) =>
      end === "condemned" ? drop(instanceId) : Effect.void,
    )
    // Forked in the map's scope, because a restart closes the connection's own scope.
    yield* Effect.forkIn(watch, mapScope)
    const onLost = (error: ConnectionError) =>
      error instanceof InitLost && error.why === "silent"
        ? Effect.andThen(silence.release, forget)
        : forget
    yield* Effect.forkIn(Effect.flatMap(init.lost, onLost), mapScope)
    return { init, reset: resets.outcome }
  })

  const mapScope = yield* Effect.scope
  const map: RcMap.RcMap<string, Connected, HostError> = yield* RcMap.make({
    lookup: connect,
    idleTimeToLive: Duration.infinity,
  })

  // Containers that are paused, as far as this process knows.
  const frozen = new Set<string>()
  const thaw = (instanceId: string) =>
    Effect.sync(() => {
      frozen.delete(instanceId)
      current.get(instanceId)?.thaw()
    })

  const paused = (instanceId: string) =>
    Effect.sync(() => {
      frozen.add(instanceId)
      current.get(instanceId)?.freeze()
    })

  const silent = new EngineUnreachable({
    endpoint: engine.endpoint,
    reason: "the sandbox does not answer, so its removal time could not be set",
  })

  const pausedError = new EngineError({
    operation: "use a sandbox",
    reason: { _tag: "Paused" },
    detail: "the container is paused",
  })

  /** Makes later calls open a new connection if this one does not answer. */
  const prove = (instanceId: string, init: InitConnection): Effect.Effect<void> =>
    Effect.flatMap(init.proved, (isProved) =>
      // Another call may have replaced it already.
      isProved || current.get(instanceId) !== init
        ? Effect.void
        : Effect.andThen(silence.release, drop(instanceId)),
    )

  /**
   * The connection to a running container, until the scope ends. Opens a new one if there is none,
   * or if the existing one is silent and no longer answers.
   */
  const of = (instanceId: string): Effect.Effect<Connected, HostError, Scope.Scope> => {
    // The map would remember a failure.
    const get = Effect.tapError(RcMap.get(map, instanceId), () => drop(instanceId))
    const init = current.get(instanceId)
    if (!frozen.has(instanceId)) {
      return init?.isDoubtful ? Effect.andThen(prove(instanceId, init), get) : get
    }
    return Effect.flatMap(isPaused(instanceId), (paused) =>
      paused ? Effect.fail(pausedError) : Effect.andThen(thaw(instanceId), get),
    )
  }

  return {
    of,
    /** Whether there is a connection to a container's init that answers, as far as this process knows. */
    isConnected: (instanceId: string): boolean =>
      !frozen.has(instanceId) && current.get(instanceId)?.isOpen === true,
    /** Whether a command can be sent at once, so that `of` does not wait. */
    isReady: (instanceId: string): boolean => {
      const init = current.get(instanceId)
      return !frozen.has(instanceId) && init?.isOpen === true && !init.isDoubtful
    },
    /** Closes the connection to a container that has ended or is about to. */
    ended: (instanceId: string) => {
      frozen.delete(instanceId)
      return drop(instanceId)
    },
    /** Pauses a container. Its connection stays, silent, until the container is resumed. */
    pause: (instanceId: string) =>
      alone(instanceId)(Effect.andThen(paused(instanceId), engine.containerPause(instanceId))),
    paused,
    resumed: thaw,
    /** Waits until a connection to a sandbox turns out to be cut silently. Others may be cut too. */
    silence: silence.await,
    putInit,
    requireTables,
    launch,
    /** Copies the init into a running container whose first process is `becomesInit`, and starts it. */
    awaken: (instanceId: string, image: ImageInspect, removal: number) =>
      Effect.andThen(
        putInit(instanceId, image),
        keep(instanceId, Effect.tap(attach(instanceId, removal, line), requireHello)),
      ),
    /**
     * Connects to a running container whose first process has been the init from the start. The
     * init sent its first frame before anything was connected.
     */
    greet: (instanceId: string, removal: number) => keep(instanceId, byHelper(instanceId, removal)),
    /**
     * Lets a running container live for so many milliseconds without a connection. An init accepts
     * this time only in the first frame of a connection, so this opens a separate connection and
     * closes it again.
     */
    outlive: Effect.fnUntraced(function* (instanceId: string, milliseconds: number) {
      const { State } = yield* engine.containerInspect(instanceId)
      // In a paused container no time passes, and a stopped container is told its time when it
      // starts.
      if (!State.Running || State.Status === "paused") return
      const isTold = yield* Effect.scoped(
        Effect.flatMap(byHelper(instanceId, secondsAlone(milliseconds)), ({ proved }) => proved),
      )
      if (!isTold) return yield* silent
    }),
    relaunch,
  }
})
export type Connections = Effect.Success<ReturnType<typeof makeConnections>>
