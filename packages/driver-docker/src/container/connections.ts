import { EngineError, EngineUnreachable, type HostError, makeKeyedLock } from "@cordon/core"
import {
  Cache,
  Deferred,
  Duration,
  Effect,
  Exit,
  Option,
  RcMap,
  Result,
  Schedule,
  Scope,
} from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import type { ImageInspect } from "../engine/schemas.ts"
import { engineStream } from "../init/engineStream.ts"
import type { ConnectionError, InitLost } from "../init/errors.ts"
import { InitConnection } from "../init/InitConnection.ts"
import { isEngineError } from "../sandbox/creation.ts"
import { initPath, makeInitArchives } from "./initArchive.ts"
import { answers, brokenConnection, Stuck } from "./refusals.ts"

type Engine = DockerEngine["Service"]

/** A connection to the init of a running sandbox. */
export interface Connected {
  readonly init: InitConnection
  /**
   * Waits until a call that did not end when it was told to has ended: late, as it does where the engine
   * hung, or because its container was started anew, which ends all its processes and keeps its files.
   * A paused one is left: it does what it was told when it goes on. Waits no longer than 8 seconds.
   *
   * @returns whether the container was started anew
   */
  readonly reset: Effect.Effect<boolean, InitLost | HostError | Stuck>
}

/** How a container is ended whose processes do not end, where that is not by a start anew. */
export interface ConnectionOptions {
  readonly end?: (instanceId: string) => Effect.Effect<void, HostError>
}

// An answer that got lost has begun nothing that outlives it: the engine is asked once more.
const reconnecting = { schedule: Schedule.spaced("200 millis"), times: 2 }

// How long a caller waits for a container to be started anew.
const patience = "8 seconds"

// How long after that, or after a paused container was left, it is tried again.
const again = "10 seconds"

// A second connection took 100 to 250 ms; a machine that is short of CPU was seen to need seconds.
const connecting = "10 seconds"

/** A program in POSIX sh that becomes the init, with its arguments, once it is given a line of input. */
export const becomesInit = `trap 'exit 0' TERM
read -r line && unset line PWD OLDPWD SHLVL && exec ${initPath} "$@"`
const line = new TextEncoder().encode("\n")

/** The connections of this process to the inits of an engine's containers: at most one to each. */
export const makeConnections = Effect.fnUntraced(function* (
  engine: Engine,
  { end }: ConnectionOptions = {},
) {
  const archives = yield* makeInitArchives
  const alone = makeKeyedLock<string>()
  // What was attached to before its start, until the map has it.
  const attached = new Map<
    string,
    { readonly init: InitConnection; readonly scope: Scope.Closeable }
  >()
  // Which of a container's connections the map has: an older one may end later.
  const current = new Map<string, InitConnection>()

  /** Speaks over an attachment, which the scope's end closes. */
  const over = Effect.fnUntraced(function* (
    attach: Effect.Effect<Parameters<typeof engineStream>[0], HostError, Scope.Scope>,
    removal?: number,
    first?: Uint8Array,
  ) {
    const scope = yield* Scope.make()
    yield* Effect.addFinalizer((exit) => Scope.close(scope, exit))
    const streams = yield* Scope.provide(attach, scope)
    if (first !== undefined) yield* streams.write(first)
    return yield* InitConnection.make(engineStream(streams, scope), removal)
  })

  /**
   * Fails where the engine would wait for ever: it looks up user 0 in these files when it starts a
   * container or a helper in one, whatever code inside has put in their place.
   */
  const requireTables = Effect.fnUntraced(function* (instanceId: string) {
    for (const path of ["/etc/passwd", "/etc/group"]) {
      let end = yield* engine.containerPathStat(instanceId, path)
      if (Option.isSome(end) && end.value.kind === "link") {
        end = yield* engine.containerPathStat(instanceId, end.value.target)
      }
      if (Option.exists(end, ({ kind }) => kind !== "file")) {
        return yield* new EngineError({
          operation: "use a sandbox",
          status: 0,
          detail: `its ${path} is no regular file any more, for which the engine would wait for ever; remove the sandbox`,
          ours: true,
        })
      }
    }
  })

  /** A connection by a helper that the engine starts. */
  const byHelper = Effect.fnUntraced(function* (instanceId: string) {
    const helper = yield* engine.execCreate(instanceId, {
      Cmd: [initPath, "connect"],
      Env: [],
      WorkingDir: "/",
      User: "0",
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
      Tty: false,
    })
    return yield* over(engine.execStart(helper))
  })

  const unconnected = new EngineUnreachable({
    endpoint: engine.endpoint,
    reason: "its answer got lost while a sandbox was being connected to, and nothing was begun",
  })

  const silent = new EngineUnreachable({
    endpoint: engine.endpoint,
    reason: "a sandbox on it does not answer; stop or remove the sandbox",
  })

  /** The first process of a container answers, or it is of no use. */
  const requireHello = (init: InitConnection): Effect.Effect<void, HostError> =>
    init.hello.pipe(
      Effect.timeoutOrElse({ duration: connecting, orElse: () => Effect.fail(silent) }),
      Effect.mapError((error: ConnectionError) =>
        brokenConnection(engine, error, " before anything was begun"),
      ),
    )

  /** Puts the init into a container of this image, before it is started or before it is needed. */
  const putInit = Effect.fnUntraced(function* (instanceId: string, image: ImageInspect) {
    const architecture = image.Architecture || (yield* engine.version).Arch
    const archive = yield* Cache.get(archives, architecture)
    yield* engine.containerPutArchive(instanceId, "/", archive)
  })

  const drop = (instanceId: string): Effect.Effect<void> => RcMap.invalidate(map, instanceId)

  /** Attaches to a container, and keeps the connection where the init is started then. */
  const attach = <E>(
    instanceId: string,
    start: (init: InitConnection) => Effect.Effect<void, E>,
    removal?: number,
    first?: Uint8Array,
  ): Effect.Effect<void, E | HostError> =>
    Effect.uninterruptibleMask((restore) =>
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        return yield* restore(
          Effect.gen(function* () {
            const init = yield* Scope.provide(
              over(engine.containerAttach(instanceId), removal, first),
              scope,
            )
            yield* start(init)
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

  /**
   * Starts a container into which the init was put, attached to it before; no effect on the connection
   * of one that runs.
   */
  const launch = <E>(
    instanceId: string,
    start: Effect.Effect<void, E>,
    removal?: number,
  ): Effect.Effect<void, E | HostError> => attach(instanceId, () => start, removal)

  /** As `launch`, of a container that has ended: the init is put in anew. */
  const relaunch = Effect.fnUntraced(function* (instanceId: string) {
    yield* requireTables(instanceId)
    const { Image } = yield* engine.containerInspect(instanceId)
    yield* putInit(instanceId, yield* engine.imageInspect(Image ?? ""))
    yield* launch(instanceId, engine.containerStart(instanceId))
  })

  const isPaused = (instanceId: string) =>
    Effect.map(engine.containerInspect(instanceId), ({ State }) => State.Status === "paused")

  const reset = (instanceId: string, init: InitConnection): Effect.Effect<boolean, HostError> =>
    Effect.gen(function* () {
      if (yield* isPaused(instanceId)) return false
      // While the engine took its time to answer.
      if (init.isSettled) return false
      if (end !== undefined) return yield* Effect.as(end(instanceId), true)
      yield* drop(instanceId)
      // Ended already, perhaps.
      yield* Effect.catchIf(
        engine.containerKill(instanceId),
        isEngineError(404, 409),
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
    // An engine that starts the helper of a container that is just being paused holds up everybody.
    const init =
      first === undefined
        ? yield* alone(instanceId)(
            Effect.andThen(
              requireTables(instanceId),
              byHelper(instanceId).pipe(
                Effect.retry({ ...reconnecting, while: isEngineError(0) }),
                Effect.catchIf(isEngineError(0), () => Effect.fail(unconnected)),
                Effect.tap(requireHello),
              ),
            ),
          )
        : first.init
    current.set(instanceId, init)
    const forget = Effect.suspend(() => {
      if (current.get(instanceId) !== init) return Effect.void
      current.delete(instanceId)
      return drop(instanceId)
    })
    let isReset = Deferred.makeUnsafe<boolean, HostError>()
    let isResetting = false
    const told = Effect.raceFirst(Effect.as(init.unanswered, true), Effect.as(init.lost, false))
    // What was killed did not end: nobody waits for the sandbox to do it.
    const watch = Effect.gen(function* () {
      while ((yield* told) && init.isOpen) {
        const done = isReset
        isResetting = true
        const result = yield* Effect.result(reset(instanceId, init))
        isResetting = false
        yield* Deferred.complete(done, Effect.fromResult(result))
        if (Result.isSuccess(result) && result.success) return
        isReset = Deferred.makeUnsafe()
        yield* Effect.sleep(again)
      }
    })
    // Not in the connection's scope, which a start anew closes.
    yield* Effect.forkIn(watch, mapScope)
    yield* Effect.forkIn(Effect.andThen(init.lost, forget), mapScope)
    const stuck = Effect.suspend(() =>
      Effect.fail(
        new Stuck(
          new EngineUnreachable({
            endpoint: engine.endpoint,
            reason: isResetting
              ? "a sandbox whose command did not end could not be started anew in time; remove it"
              : "nothing comes from a sandbox since it was told to end a command, which may still be running",
          }),
        ),
      ),
    )
    const ended = Effect.suspend(() => Deferred.await(isReset))
    const broken = Effect.flatMap(init.lost, (error) =>
      isResetting || Deferred.isDoneUnsafe(isReset) ? ended : Effect.fail(error),
    )
    return {
      init,
      reset: Effect.gen(function* () {
        const isPausedNow = yield* answers(engine, isPaused(instanceId)).pipe(
          Effect.catchTag("EngineUnreachable", (error) => Effect.fail(new Stuck(error))),
        )
        if (isPausedNow) return false
        return yield* Effect.raceAllFirst([Effect.as(init.settled, false), ended, broken])
      }).pipe(Effect.timeoutOrElse({ duration: patience, orElse: () => stuck })),
    }
  })

  const mapScope = yield* Effect.scope
  const map: RcMap.RcMap<string, Connected, HostError> = yield* RcMap.make({
    lookup: connect,
    idleTimeToLive: Duration.infinity,
  })

  // Containers that were paused, as far as anybody has told.
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

  const pausedError = new EngineError({
    operation: "use a sandbox",
    status: 409,
    detail: "the container is paused",
    ours: true,
  })

  /** The connection to a running container, for as long as the scope lives; a new one where there is none. */
  const of = (instanceId: string): Effect.Effect<Connected, HostError, Scope.Scope> => {
    // The map would keep a failure.
    const get = Effect.tapError(RcMap.get(map, instanceId), () => drop(instanceId))
    if (!frozen.has(instanceId)) return get
    return Effect.flatMap(isPaused(instanceId), (paused) =>
      paused ? Effect.fail(pausedError) : Effect.andThen(thaw(instanceId), get),
    )
  }

  return {
    of,
    /** The container has ended, or goes: what is left of its connection is let go. */
    ended: (instanceId: string) => {
      frozen.delete(instanceId)
      return drop(instanceId)
    },
    /** Pauses a container, which then does not answer, and loses nothing, until it is resumed. */
    pause: (instanceId: string) =>
      alone(instanceId)(Effect.andThen(paused(instanceId), engine.containerPause(instanceId))),
    paused,
    resumed: thaw,
    putInit,
    launch,
    /** Puts the init into a running container whose first process is `becomesInit`, and has it go on. */
    awaken: (instanceId: string, image: ImageInspect, removal: number) =>
      Effect.andThen(putInit(instanceId, image), attach(instanceId, requireHello, removal, line)),
    relaunch,
  }
})
/** What `makeConnections` gives. */
export type Connections = Effect.Success<ReturnType<typeof makeConnections>>
