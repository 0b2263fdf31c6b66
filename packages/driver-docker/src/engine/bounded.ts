import { type EngineError, EngineUnreachable, type HostError, SandboxCondemned } from "@cordon/core"
import { Deferred, Duration, Effect, Exit, Fiber, Option } from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import { isEngineError } from "./failures.ts"

type Engine = DockerEngine["Service"]

/** How long an engine may take for a call before it is checked for signs of life. */
const patience = {
  question: Duration.seconds(25),
  act: Duration.seconds(20),
  start: Duration.seconds(60),
  stop: Duration.seconds(30),
}
/** Whether the engine itself failed: a proxy in front of it does not answer with the status 500. */
const isInternal = (error: HostError): error is EngineError =>
  isEngineError("Failed", "NoSpace")(error) && error.status === 500

// How long the engine may take for that check.
const sign = Duration.seconds(5)
const look = Duration.seconds(10)

/** Returns the result of the first to end, and does not wait for the interruption of the other. */
const whicheverIsFirst = <A, E, R>(
  call: Effect.Effect<A, E, R>,
  other: Effect.Effect<A, E>,
): Effect.Effect<A, E, R> =>
  Effect.gen(function* () {
    const answer = yield* Deferred.make<A, E>()
    const finish = (effect: Effect.Effect<A, E, R>) =>
      Effect.onExit(effect, (exit) => Deferred.done(answer, exit))
    const calling = yield* Effect.forkDetach(finish(call), { startImmediately: true })
    if (calling.pollUnsafe() !== undefined) return yield* Deferred.await(answer)
    const watching = yield* Effect.forkDetach(finish(other))
    // A call can be abandoned at once; the engine still carries it out.
    const leave = Effect.forkDetach(Fiber.interruptAll([calling, watching]))
    return yield* Effect.ensuring(Deferred.await(answer), leave)
  })

/**
 * Limits the time of each engine call, independent of its caller's timeout. A longer call may go on
 * as long as the engine makes progress. An engine that answers nothing at all is unreachable. If
 * the engine answers other calls but none about this container, or can't end it, the container is
 * condemned: all later calls for it are refused at once, except its removal, which is tried again.
 */
export const bounded = (engine: Engine): Engine => {
  const condemned = new Map<string, SandboxCondemned>()

  const unreachable = {
    endpoint: engine.endpoint,
    reason: "it has stopped answering; if that continues, restart it",
  }
  const silent = Effect.fail(new EngineUnreachable({ ...unreachable, delivered: "perhaps" }))

  const question = <A>(call: Effect.Effect<A, HostError>) =>
    whicheverIsFirst(
      call,
      Effect.andThen(
        Effect.sleep(patience.question),
        Effect.fail(new EngineUnreachable(unreachable)),
      ),
    )

  const condemn = (id: string, reason: string) =>
    Effect.suspend(() => {
      const error = new SandboxCondemned({ sandbox: id, reason })
      condemned.set(id, error)
      return Effect.fail(error)
    })

  const forget = (id: string) => Effect.sync(() => void condemned.delete(id))

  const requireSign = Effect.gen(function* () {
    const version = yield* Effect.timeoutOption(Effect.exit(engine.version), sign)
    if (Option.isNone(version)) return yield* silent
  })

  /** Lets a change take as long as it needs while the engine still answers other calls. */
  const change = <A, R>(call: Effect.Effect<A, HostError, R>) =>
    whicheverIsFirst(call, Effect.forever(Effect.andThen(Effect.sleep(patience.act), requireSign)))

  /**
   * Waits until an image is gone. Engine 20.10 first removes the image's name, and then checks all
   * containers.
   */
  const untilGone = (image: string) =>
    Effect.andThen(Effect.sleep(patience.act), requireSign).pipe(
      Effect.andThen(Effect.exit(engine.imageInspect(image))),
      Effect.repeat({
        until: (exit) =>
          Exit.isFailure(exit) &&
          Option.exists(Exit.findErrorOption(exit), isEngineError("NotFound")),
      }),
      Effect.asVoid,
    )

  /** Fails if there is no point in waiting longer. */
  const judge = Effect.fnUntraced(function* (id: string, ends: boolean) {
    yield* requireSign
    const said = yield* Effect.timeoutOption(Effect.option(engine.containerInspect(id)), look)
    if (Option.isNone(said)) {
      // A network may pass short answers and lose long ones. The answer to this call is long.
      const other = yield* Effect.timeoutOption(Effect.exit(engine.info), look)
      if (!Option.exists(other, Exit.isSuccess)) return yield* silent
      return yield* condemn(id, "its engine is well, but answers nothing about it any more")
    }
    if (ends && Option.exists(said.value, ({ State }) => State.Running)) {
      return yield* condemn(id, "its engine is well, but could not end it")
    }
  })

  const about =
    (duration: Duration.Duration, ends = false) =>
    <A, R>(id: string, call: Effect.Effect<A, HostError, R>): Effect.Effect<A, HostError, R> =>
      Effect.suspend(() => {
        const refusal = condemned.get(id)
        if (refusal !== undefined) return Effect.fail(refusal)
        const watch = Effect.forever(Effect.andThen(Effect.sleep(duration), judge(id, ends)))
        return whicheverIsFirst(call, watch)
      })
  const act = about(patience.act)
  const end = about(patience.act, true)

  return {
    ...engine,
    version: question(engine.version),
    info: question(engine.info),
    imageInspect: (image) => question(engine.imageInspect(image)),
    imageList: (filters) => question(engine.imageList(filters)),
    imageRemove: (image) => whicheverIsFirst(engine.imageRemove(image), untilGone(image)),
    networkList: (filters) => question(engine.networkList(filters)),
    networkCreate: (spec) => change(engine.networkCreate(spec)),
    networkConnect: (network, container, address) =>
      change(engine.networkConnect(network, container, address)),
    networkRemove: (id) => change(engine.networkRemove(id)),
    containerCreate: (name, spec) => change(engine.containerCreate(name, spec)),
    containerCommit: (id, image) => change(engine.containerCommit(id, image)),
    execStart: (id) => change(engine.execStart(id)),
    containerList: (filters) => question(engine.containerList(filters)),
    containerInspect: (id) => act(id, engine.containerInspect(id)),
    containerRename: (id, name) => act(id, engine.containerRename(id, name)),
    containerPathStat: (id, path) => act(id, engine.containerPathStat(id, path)),
    containerPutArchive: (id, path, archive) =>
      act(id, engine.containerPutArchive(id, path, archive)),
    containerAttach: (id) => act(id, engine.containerAttach(id)),
    containerStart: (id) => about(patience.start)(id, engine.containerStart(id)),
    containerStop: (id) => about(patience.stop, true)(id, engine.containerStop(id)),
    containerKill: (id) => end(id, engine.containerKill(id)),
    containerPause: (id) => act(id, engine.containerPause(id)),
    containerUnpause: (id) => act(id, engine.containerUnpause(id)),
    execCreate: (id, spec) => act(id, engine.execCreate(id, spec)),
    containerRemove: (id) =>
      Effect.suspend(() => {
        const refusal = condemned.get(id)
        const remove = engine.containerRemove(id).pipe(
          Effect.catchIf(isInternal, (error) =>
            Effect.andThen(
              Effect.logWarning("An engine failed to remove a container", error.detail),
              condemn(id, "its engine failed to remove it"),
            ),
          ),
          Effect.tapError((error) => (isEngineError("NotFound")(error) ? forget(id) : Effect.void)),
          Effect.tap(() => forget(id)),
        )
        if (refusal === undefined) return end(id, remove)
        // If the engine can remove it by now, it does so at once, or continues by itself.
        return whicheverIsFirst(remove, Effect.andThen(Effect.sleep(sign), Effect.fail(refusal)))
      }),
  }
}
