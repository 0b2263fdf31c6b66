import { EngineError, type HostError } from "@cordon/core"
import type { DockerEngine } from "@cordon/driver-docker"
import { type EngineClient, isEngineError } from "@cordon/driver-docker/engine"
import type { Containers } from "@cordon/driver-docker/sandbox"
import { Effect, Schedule } from "effect"

// Signals that make the init end everything. The first can't be sent to gVisor. Code inside can
// make the second get lost, so it is sent repeatedly.
const endSignals = ["40", "SIGUSR1"] as const
const perSignal = Schedule.max([Schedule.spaced("100 millis"), Schedule.recurs(10)])
const rounds = 7

const resists = EngineError.notDone(
  "end a sandbox's processes",
  "they did not end; remove the sandbox",
)

/**
 * Stops a sandbox without stopping its container: if the container stopped, the swarm would count
 * the task as ended. Instead all processes in it are ended, and the container is paused.
 */
export const makeInPlace = (
  engine: DockerEngine["Service"],
  http: EngineClient,
  { connections, isIdle, forgetProcesses }: Containers,
) => {
  const send = (container: string, signal: string) =>
    http.run({
      operation: "signal a container",
      method: "POST",
      path: `/containers/${encodeURIComponent(container)}/kill`,
      query: { signal },
    })
  const signal = (container: string) => {
    const [first, second] = endSignals
    return Effect.catchIf(
      send(container, first),
      (error) =>
        error._tag === "EngineError" && !isEngineError("NotFound", "NotRunning", "Paused")(error),
      () => send(container, second),
    )
  }
  const is = (container: string, wanted: string) =>
    Effect.map(engine.containerInspect(container), ({ State }) => State.Status === wanted)

  /** Turns a container, unless it is so already. */
  const turned = (
    container: string,
    wanted: "paused" | "running",
    turn: Effect.Effect<void, HostError>,
  ) =>
    Effect.catchIf(
      turn,
      (error) => error._tag === "EngineError" && error.reason._tag !== "NotFound",
      (error) =>
        Effect.flatMap(is(container, wanted), (so) => (so ? Effect.void : Effect.fail(error))),
    )
  const freeze = (container: string) => turned(container, "paused", connections.pause(container))
  const thaw = (container: string) =>
    Effect.andThen(
      turned(container, "running", engine.containerUnpause(container)),
      connections.resumed(container),
    )

  const end = Effect.fn("endProcesses")(
    function* (container: string): Effect.fn.Return<void, HostError> {
      const idle = isIdle(container).pipe(
        Effect.timeout("5 seconds"),
        Effect.orElseSucceed(() => false),
        Effect.repeat({ schedule: perSignal, until: (is) => is }),
      )
      for (let round = 0; round < rounds; round++) {
        yield* signal(container)
        if (yield* idle) return
      }
      return yield* resists
    },
    Effect.timeoutOrElse({ duration: "7 seconds", orElse: () => Effect.fail(resists) }),
  )

  return {
    end,
    freeze,
    thaw,
    /** Ends all processes and freezes what might begin: then commands are refused. */
    stop: Effect.fn("stopProcesses")(function* (container: string) {
      yield* thaw(container)
      // A paused container counts as stopped, even if a process resisted.
      yield* Effect.ignore(end(container))
      yield* freeze(container)
    }),
    /**
     * Lets a stopped container go on, without what began just before it was frozen. Background processes
     * are forgotten, as they are where a container is started anew.
     */
    restart: Effect.fn("restartProcesses")(function* (container: string) {
      yield* thaw(container)
      yield* signal(container)
      yield* forgetProcesses(container).pipe(
        Effect.timeout("5 seconds"),
        Effect.catch((error) =>
          Effect.logDebug("Background processes are still listed", { error: error.message }),
        ),
      )
    }),
  }
}
export type InPlace = ReturnType<typeof makeInPlace>
