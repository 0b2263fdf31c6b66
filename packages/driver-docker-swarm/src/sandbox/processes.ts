import { EngineError, type HostError } from "@cordon/core"
import type { DockerEngine } from "@cordon/driver-docker"
import type { EngineHttp } from "@cordon/driver-docker-remote/http"
import { Effect } from "effect"

/**
 * In front of the container's first shell: on USR1 it kills all other processes, atomically for the
 * kernel and with nothing but what is built into the shell, until none is left. It runs as root, so
 * that it reaches everybody's, and only root can hinder it.
 */
export const resettable = `trap 'while kill -KILL -1; set -- /proc/[0-9]*; [ $# -gt 2 ]; do :; done 2>/dev/null' USR1; `

/**
 * A task's container must not stop, or the swarm takes the task for ended. So what stopping means
 * is done to the processes in it: they are ended, and the container is frozen.
 */
export const makeProcesses = (engine: DockerEngine["Service"], http: EngineHttp) => {
  const signal = (container: string, signal: string) =>
    http.run({
      operation: "signal a container",
      method: "POST",
      path: `/containers/${encodeURIComponent(container)}/kill`,
      query: { signal },
    })
  const isBusy = Effect.fnUntraced(function* (container: string) {
    const { ExecIDs, State } = yield* engine.containerInspect(container)
    return State.Running && (ExecIDs ?? []).length > 0
  })
  const is = (container: string, wanted: string) =>
    Effect.map(engine.containerInspect(container), ({ State }) => State.Status === wanted)

  /** Turns a container, unless it is so already. */
  const turn = (container: string, wanted: "paused" | "running") =>
    (wanted === "paused"
      ? engine.containerPause(container)
      : engine.containerUnpause(container)
    ).pipe(
      Effect.catchIf(
        (error) => error._tag === "EngineError" && error.status !== 404,
        (error) =>
          Effect.flatMap(is(container, wanted), (so) => (so ? Effect.void : Effect.fail(error))),
      ),
    )

  const end = Effect.fn("endProcesses")(function* (
    container: string,
  ): Effect.fn.Return<void, HostError> {
    for (let round = 0; round < 100; round++) {
      // Whoever is root inside may have stopped the shell that has to do it.
      if (round % 10 === 0) {
        yield* signal(container, "CONT")
        yield* signal(container, "USR1")
      }
      yield* Effect.sleep(100)
      if (!(yield* isBusy(container))) return
    }
    return yield* new EngineError({
      operation: "end a sandbox's processes",
      status: 0,
      detail: "they resist; remove the sandbox",
      ours: true,
    })
  })

  return {
    end,
    freeze: (container: string) => turn(container, "paused"),
    thaw: (container: string) => turn(container, "running"),
    /** Ends all processes and freezes what might begin: then the engine refuses commands. */
    stop: Effect.fn("stopProcesses")(function* (container: string) {
      for (let round = 0; round < 3; round++) {
        yield* turn(container, "running")
        // Frozen is stopped, whatever resisted.
        yield* Effect.ignore(end(container))
        yield* turn(container, "paused")
        // A command that came in between is frozen as well: it is ended in the next round.
        if (!(yield* isBusy(container))) return
      }
    }),
  }
}
