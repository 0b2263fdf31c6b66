import type { DialError, ListenError, PortConnection } from "@cordon/core"
import { Effect, type Scope, Stream } from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import type { ConnectionError } from "../init/errors.ts"
import * as init from "../init/ports.ts"
import type { Connections } from "./connections.ts"
import { connectTo, explainLoss } from "./refusals.ts"
import type { Target } from "./Target.ts"

/** Ports of sandboxes: their inits dial and listen on them. */
export const makeContainerPorts = (engine: DockerEngine["Service"], connections: Connections) => {
  const lost = (target: Target, error: ConnectionError) => explainLoss(engine, target, error)

  const judge =
    (target: Target) =>
    (error: init.DialError): Effect.Effect<never, DialError> => {
      if (error._tag === "InitLost") return lost(target, error)
      // A request of a few bytes is never too long.
      return error._tag === "InvalidInput" ? Effect.die(error) : Effect.fail(error)
    }

  const connectionOf = (
    target: Target,
    open: Effect.Effect<init.Dialled, init.DialError, Scope.Scope>,
  ): Effect.Effect<PortConnection<DialError>, DialError, Scope.Scope> =>
    Effect.map(Effect.catch(open, judge(target)), ({ output, ...connection }) => ({
      ...connection,
      output: Stream.catch(output, (error) => Stream.fromEffect(judge(target)(error))),
    }))

  return {
    /** As `DriverPorts.dial`. */
    dial: (
      target: Target,
      port: number,
    ): Effect.Effect<PortConnection<DialError>, DialError, Scope.Scope> =>
      Effect.flatMap(connectTo(connections, target), (connected) =>
        connectionOf(target, init.dial(connected.init, port)),
      ),

    /** As `DriverPorts.listen`. */
    listen: (
      target: Target,
      port: number,
    ): Effect.Effect<
      Effect.Effect<PortConnection<DialError>, DialError, Scope.Scope>,
      ListenError,
      Scope.Scope
    > =>
      Effect.gen(function* () {
        const connected = yield* connectTo(connections, target)
        const accept = yield* init.listen(connected.init, port).pipe(
          Effect.catchTag("InvalidInput", (error) => Effect.die(error)),
          Effect.catchTag("InitLost", (error) => lost(target, error)),
        )
        return connectionOf(target, accept)
      }),
  }
}
export type ContainerPorts = ReturnType<typeof makeContainerPorts>
