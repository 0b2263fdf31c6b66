import { EngineUnreachable, type HostError, SandboxNotFound, SandboxNotRunning } from "@cordon/core"
import { Effect, type Scope } from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import { type Delivered, InitLost, withDelivery } from "../init/errors.ts"
import type { Connected, Connections } from "./connections.ts"
import type { Target } from "./Target.ts"

/** An engine's refusal of a call that needs a running container, as an error about the sandbox. */
const refusedFor =
  ({ id }: Target) =>
  (error: HostError): SandboxNotFound | SandboxNotRunning | HostError => {
    if (error._tag !== "EngineError") return error
    switch (error.reason._tag) {
      case "NotFound":
      case "NetworkNotFound":
        return new SandboxNotFound({ sandbox: id })
      case "Paused":
        return new SandboxNotRunning({ sandbox: id, status: "paused" })
      case "NotRunning":
      case "Conflict":
        return new SandboxNotRunning({ sandbox: id, status: "stopped" })
      default:
        return error
    }
  }

/** The connection to a sandbox's init, until the scope ends. */
export const connectTo = (
  connections: Connections,
  target: Target,
): Effect.Effect<Connected, SandboxNotFound | SandboxNotRunning | HostError, Scope.Scope> =>
  Effect.mapError(connections.of(target.instanceId), refusedFor(target))

/** The failure of a call that did not end when told to. Its processes may still be running. */
export class Stuck {
  readonly _tag = "Stuck"
  readonly error: EngineUnreachable
  constructor(error: EngineUnreachable) {
    this.error = error
  }

  /** This failure for one call. `delivered` says whether the call's request had reached the init. */
  of(delivered?: Delivered): Stuck {
    return new Stuck(withDelivery(this.error, delivered))
  }
}

/**
 * Asks an engine about the outcome of a call. Waits at most 5 seconds, since the caller already
 * waited for the call.
 *
 * @param lost the call's error; says whether the call was delivered
 */
export const answers = <A, E extends { readonly _tag: string }>(
  { endpoint }: DockerEngine["Service"],
  question: Effect.Effect<A, E>,
  lost?: InitLost | HostError,
): Effect.Effect<A, E | EngineUnreachable> => {
  const delivered = lost !== undefined && "delivered" in lost ? lost.delivered : undefined
  const reason =
    delivered === "never"
      ? "it stopped answering before the call was started"
      : "it stopped answering during the call; processes that the call started may still be running"
  return question.pipe(
    Effect.timeoutOrElse({
      duration: "5 seconds",
      orElse: () => Effect.fail(new EngineUnreachable({ endpoint, reason })),
    }),
    Effect.mapError((error) => withDelivery(error, delivered)),
  )
}

/** A broken connection, as an error about its engine. */
export const brokenConnection = (
  { endpoint }: DockerEngine["Service"],
  lost: InitLost | HostError,
  consequence: string,
): HostError =>
  lost instanceof InitLost
    ? new EngineUnreachable({
        endpoint,
        reason: `the connection to the sandbox broke${consequence}: ${lost.detail}`,
        ...(lost.delivered === undefined ? {} : { delivered: lost.delivered }),
      })
    : lost

/** Whether a call never began because its connection was lost before the call was sent. */
export const isUndelivered = (error: { readonly _tag: string }): boolean =>
  (error instanceof InitLost || error instanceof EngineUnreachable) && error.delivered === "never"

/** Finds out why a connection broke during a call. The sandbox may be gone or stopped. */
export const explainLoss = (
  engine: DockerEngine["Service"],
  target: Target,
  lost: InitLost | HostError | Stuck,
): Effect.Effect<never, SandboxNotFound | SandboxNotRunning | HostError> =>
  Effect.gen(function* () {
    if (lost instanceof Stuck) return yield* lost.error
    const { State } = yield* Effect.mapError(
      answers(engine, engine.containerInspect(target.instanceId), lost),
      refusedFor(target),
    )
    if (State.Running) return yield* Effect.fail(brokenConnection(engine, lost, ""))
    return yield* new SandboxNotRunning({ sandbox: target.id, status: "stopped" })
  })
