import { EngineUnreachable, type HostError, SandboxNotFound, SandboxNotRunning } from "@cordon/core"
import { Effect, type Scope } from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import { InitLost } from "../init/errors.ts"
import type { Connected, Connections } from "./connections.ts"
import type { Target } from "./Target.ts"

/** What an engine's refusal of a call that needs a running container says of the sandbox. */
const refusedFor =
  ({ id }: Target) =>
  (error: HostError): SandboxNotFound | SandboxNotRunning | HostError => {
    if (error._tag !== "EngineError") return error
    if (error.status === 404) return new SandboxNotFound({ sandbox: id })
    if (error.status !== 409) return error
    const status = /paused/i.test(error.detail) ? "paused" : "stopped"
    return new SandboxNotRunning({ sandbox: id, status })
  }

/** The connection to a sandbox's init, for as long as the scope lives. */
export const connectTo = (
  connections: Connections,
  target: Target,
): Effect.Effect<Connected, SandboxNotFound | SandboxNotRunning | HostError, Scope.Scope> =>
  Effect.mapError(connections.of(target.instanceId), refusedFor(target))

/** A call that did not end when it was told to: what it started may still be running. */
export class Stuck {
  readonly _tag = "Stuck"
  readonly error: EngineUnreachable
  constructor(error: EngineUnreachable) {
    this.error = error
  }
}

/**
 * Asks an engine what has become of a call, and waits some seconds for it: one that hangs holds up nobody
 * who has waited for the call already.
 */
export const answers = <A, E>(
  { endpoint }: DockerEngine["Service"],
  question: Effect.Effect<A, E>,
): Effect.Effect<A, E | EngineUnreachable> =>
  Effect.timeoutOrElse(question, {
    duration: "5 seconds",
    orElse: () =>
      Effect.fail(
        new EngineUnreachable({
          endpoint,
          reason:
            "it went silent while a call was under way; what that started may still be running",
        }),
      ),
  })

/** A connection that broke, as an error of the engine that it went over. */
export const brokenConnection = (
  { endpoint }: DockerEngine["Service"],
  lost: InitLost | HostError,
  consequence: string,
): HostError =>
  lost instanceof InitLost
    ? new EngineUnreachable({
        endpoint,
        reason: `the connection to the sandbox broke${consequence}: ${lost.detail}`,
      })
    : lost

/** Why a call over a connection that broke could not be done: the sandbox is gone or stopped, perhaps. */
export const explainLoss = (
  engine: DockerEngine["Service"],
  target: Target,
  lost: InitLost | HostError | Stuck,
): Effect.Effect<never, SandboxNotFound | SandboxNotRunning | HostError> =>
  Effect.gen(function* () {
    if (lost instanceof Stuck) return yield* lost.error
    const { State } = yield* Effect.mapError(
      answers(engine, engine.containerInspect(target.instanceId)),
      refusedFor(target),
    )
    if (State.Running) return yield* Effect.fail(brokenConnection(engine, lost, ""))
    return yield* new SandboxNotRunning({ sandbox: target.id, status: "stopped" })
  })
