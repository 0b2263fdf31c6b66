import { EngineUnreachable, type ExecError, InvalidInput, type SandboxUser } from "@cordon/core"
import { Effect } from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import { identify } from "../init/files.ts"
import type { Connections } from "./connections.ts"
import { connectTo, explainLoss } from "./refusals.ts"
import type { Target } from "./Target.ts"

const greatestId = 2 ** 31 - 1

export const unknownUser = (user: string | undefined) =>
  new InvalidInput({
    subject: "user",
    issue: `the sandbox does not have ${user === undefined ? "the user that its image names" : `the user or group ${JSON.stringify(user)}`}; use one of its /etc/passwd, or a number up to ${greatestId}`,
  })

/** Refuses a user or group number that Linux does not have. */
export const requireUserNumbers = (user: string | undefined): Effect.Effect<void, InvalidInput> =>
  (user ?? "").split(":").some((part) => /^\d+$/.test(part) && Number(part) > greatestId)
    ? Effect.fail(unknownUser(user))
    : Effect.void

/** Looks up a user in a sandbox through its init. Default: the sandbox's own user. */
export const makeUsers =
  (engine: DockerEngine["Service"], connections: Connections) =>
  (target: Target, user = target.user): Effect.Effect<SandboxUser, ExecError> =>
    Effect.gen(function* () {
      yield* requireUserNumbers(user)
      const { init } = yield* connectTo(connections, target)
      return yield* identify(init, user ?? "").pipe(
        Effect.catch((error): Effect.Effect<never, ExecError> => {
          if (error._tag === "InitLost") return explainLoss(engine, target, error)
          if (error._tag === "InvalidInput") return Effect.fail(unknownUser(user))
          const reason = "a sandbox on it does not say who its user is"
          return Effect.fail(new EngineUnreachable({ endpoint: engine.endpoint, reason }))
        }),
      )
    }).pipe(Effect.scoped)
