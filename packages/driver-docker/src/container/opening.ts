import { EngineError, EngineUnreachable, type HostError } from "@cordon/core"
import { Cache, Effect, Option, Schedule, Scope } from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import { isEngineError } from "../engine/failures.ts"
import type { ImageInspect } from "../engine/schemas.ts"
import { engineStream } from "../init/engineStream.ts"
import { type ConnectionError, InitLost } from "../init/errors.ts"
import { InitConnection } from "../init/InitConnection.ts"
import { initPath, makeInitArchives } from "./initArchive.ts"
import { brokenConnection } from "./refusals.ts"

// A retry is safe: a helper whose answer got lost ends with its connection, and without a greeting
// nothing was begun.
const reconnecting = { schedule: Schedule.spaced("200 millis"), times: 2 }

// A second connection takes 100 to 250 ms, and several seconds on a machine that is short of CPU.
const connecting = "10 seconds"

// An engine that hangs on the container is detected before that.
const patience = "40 seconds"

/**
 * Whether a helper may be started again. If its container has just ended, an engine may still say
 * that it runs, begin the helper, and send the refusal of its runtime in place of the helper's
 * output; asked again, it says that the container has ended.
 */
const isWorthAnotherTry = (error: ConnectionError): boolean =>
  error instanceof InitLost
    ? error.why === "ended" || error.why === "fault"
    : isEngineError("OutcomeUnknown")(error)

/** The steps that put the init into a container and connect to it. */
export const makeOpening = Effect.fnUntraced(function* (engine: DockerEngine["Service"]) {
  const archives = yield* makeInitArchives

  /** Speaks the init's protocol over an attachment. The end of the scope closes the attachment. */
  const over = Effect.fnUntraced(function* (
    attach: Effect.Effect<Parameters<typeof engineStream>[0], HostError, Scope.Scope>,
    removal?: number,
    first?: Uint8Array,
  ) {
    const scope = yield* Scope.make()
    yield* Effect.addFinalizer((exit) => Scope.close(scope, exit))
    const streams = yield* Scope.provide(attach, scope)
    if (first !== undefined) yield* streams.write([first])
    return yield* InitConnection.make(engineStream(streams, scope), removal)
  })

  /**
   * Fails if the engine would hang. The engine looks up user 0 in these files when it starts a
   * container or a helper, and code inside may have replaced them by a FIFO.
   */
  const requireTables = Effect.fnUntraced(function* (instanceId: string) {
    for (const path of ["/etc/passwd", "/etc/group"]) {
      let end = yield* engine.containerPathStat(instanceId, path)
      if (Option.isSome(end) && end.value.kind === "link") {
        end = yield* engine.containerPathStat(instanceId, end.value.target)
      }
      if (Option.exists(end, ({ kind }) => kind !== "file")) {
        return yield* EngineError.notDone(
          "use a sandbox",
          `its ${path} is no longer a regular file, and an engine could wait for ever to read it; remove the sandbox`,
        )
      }
    }
  })

  /** Starts a helper through the engine, and connects through it. */
  const throughHelper = Effect.fnUntraced(function* (instanceId: string, removal?: number) {
    const helper = yield* engine.execCreate(instanceId, [initPath, "connect"])
    return yield* over(engine.execStart(helper), removal)
  })

  const unconnected = new EngineUnreachable({
    endpoint: engine.endpoint,
    reason: "its answer got lost while connecting to the sandbox; nothing was started",
  })

  const silent = new EngineUnreachable({
    endpoint: engine.endpoint,
    reason: "a sandbox on it does not answer; stop or remove the sandbox",
  })

  const greeting = (init: InitConnection) =>
    init.hello.pipe(
      Effect.timeoutOrElse({ duration: connecting, orElse: () => Effect.fail(silent) }),
    )

  const broken = (error: ConnectionError) =>
    brokenConnection(engine, error, " before anything was begun")

  /** Waits for the first frame of a container's init. */
  const requireHello = (init: InitConnection): Effect.Effect<void, HostError> =>
    Effect.mapError(greeting(init), broken)

  /** A connection through a helper that the engine starts in a running container. */
  const byHelper = Effect.fnUntraced(function* (instanceId: string, removal?: number) {
    yield* requireTables(instanceId)
    return yield* throughHelper(instanceId, removal).pipe(
      Effect.tap(greeting),
      Effect.retry({ ...reconnecting, while: isWorthAnotherTry }),
      Effect.catchReason("EngineError", "OutcomeUnknown", () => Effect.fail(unconnected)),
      Effect.mapError(broken),
      Effect.timeoutOrElse({ duration: patience, orElse: () => Effect.fail(silent) }),
    )
  })

  /**
   * Copies the init into a container of this image, before the container starts or before the init
   * is needed.
   */
  const putInit = Effect.fnUntraced(function* (instanceId: string, image: ImageInspect) {
    const architecture = image.Architecture || (yield* engine.version).Arch
    const archive = yield* Cache.get(archives, architecture)
    yield* engine.containerPutArchive(instanceId, "/", archive)
  })

  return { over, requireTables, requireHello, byHelper, putInit }
})
