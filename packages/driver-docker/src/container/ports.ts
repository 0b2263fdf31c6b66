import type { DialError, PortConnection } from "@cordon/core"
import { Effect, type Scope, Stream } from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import { dial, type DialError as InitDialError } from "../init/ports.ts"
import type { Connections } from "./connections.ts"
import { connectTo, explainLoss } from "./refusals.ts"
import type { Target } from "./Target.ts"

/** Ports of sandboxes, which their inits dial. */
export const makeContainerPorts =
  (engine: DockerEngine["Service"], connections: Connections) =>
  (
    target: Target,
    port: number,
  ): Effect.Effect<PortConnection<DialError>, DialError, Scope.Scope> => {
    const judge = (error: InitDialError): Effect.Effect<never, DialError> => {
      if (error._tag === "InitLost") return explainLoss(engine, target, error)
      // A request of a few bytes is never too long.
      return error._tag === "InvalidInput" ? Effect.die(error) : Effect.fail(error)
    }
    return Effect.gen(function* () {
      const { init } = yield* connectTo(connections, target)
      const { output, ...connection } = yield* Effect.catch(dial(init, port), judge)
      return {
        ...connection,
        output: Stream.catch(output, (error) => Stream.fromEffect(judge(error))),
      }
    })
  }
