import { ExecEvent, type HostError, SandboxNotFound } from "@cordon/core"
import { Effect } from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import { isEngineError } from "../engine/failures.ts"
import { InitLost } from "../init/errors.ts"
import type { Connections } from "./connections.ts"
import type { EventHub } from "./events.ts"
import { answers, brokenConnection, Stuck } from "./refusals.ts"
import type { Target } from "./Target.ts"

// gVisor's exit code after a crash of its own kernel. A stopped sandbox has another code.
const gvisorCrash = 2

/** How often a container had ended, and had hit its memory limit, before a call began. */
export interface Before {
  readonly deaths: number
  readonly ooms: number
}

export const before = (hub: EventHub, { instanceId }: Target): Before => ({
  deaths: hub.deaths(instanceId),
  ooms: hub.oomKills(instanceId),
})

/** The effect of a lost connection on the command that used it. */
const consequences = (lost: InitLost | HostError): string => {
  if (!(lost instanceof InitLost) || lost.delivered === "yes") {
    return " while a command ran, which ends within 30 s"
  }
  return lost.delivered === "never"
    ? " before a command was sent, which was not begun"
    : " when a command had just been sent, which may have begun and then ends within 30 s"
}

type Relaunch = (instanceId: string) => Effect.Effect<void, HostError>

/**
 * Decides what a lost connection means for its command. The command ended with the container or, if
 * the container still runs, with the connection. A container that hit its own limit is restarted,
 * because nobody asked for its end.
 *
 * @param relaunch restarts a container; absent if containers can't be restarted
 * @returns how the command ended, if the container ended
 */
export const judgeLoss =
  (engine: DockerEngine["Service"], hub: EventHub, relaunch?: Relaunch) =>
  (
    target: Target,
    lost: InitLost | HostError | Stuck,
    { deaths, ooms }: Before,
  ): Effect.Effect<Extract<ExecEvent, { _tag: "Exit" }>, SandboxNotFound | HostError> =>
    Effect.gen(function* () {
      if (lost instanceof Stuck) return yield* lost.error
      // The command may never have run, even if its container has ended meanwhile.
      if (lost instanceof InitLost && lost.why === "silent" && lost.delivered === "perhaps") {
        return yield* Effect.fail(brokenConnection(engine, lost, consequences(lost)))
      }
      const { instanceId } = target
      const gone = new SandboxNotFound({ sandbox: target.id })
      const look = answers(engine, engine.containerInspect(instanceId), lost).pipe(
        Effect.catchReason("EngineError", "NotFound", () => Effect.fail(gone)),
      )
      let { State } = yield* look
      if (State.Running) {
        // The engine may report a death late.
        const died = yield* hub.sawDeath(instanceId, deaths)
        if (died) State = (yield* look).State
        else {
          return yield* Effect.fail(brokenConnection(engine, lost, consequences(lost)))
        }
      }
      const restarted = State.Running
      const struck = hub.oomKills(instanceId) > ooms || (!restarted && State.OOMKilled === true)
      const crashed = !restarted && State.ExitCode === gvisorCrash
      const isAnew = !restarted && (struck || crashed) && relaunch !== undefined
      if (isAnew) {
        yield* relaunch(instanceId).pipe(
          Effect.catchIf(isEngineError("NotFound", "NetworkNotFound"), () => Effect.fail(gone)),
        )
      }
      return ExecEvent.Exit({
        exitCode: 137,
        timedOut: false,
        oomKilled: struck,
        restarted: restarted || isAnew,
      })
    })
export type JudgeLoss = ReturnType<typeof judgeLoss>

/** The dependencies of everything that runs in a sandbox. */
export interface RunOptions {
  readonly engine: DockerEngine["Service"]
  readonly hub: EventHub
  readonly connections: Connections
  readonly judgeLoss: JudgeLoss
}
