import { InvalidInput } from "@cordon/core"
import { Effect } from "effect"

const greatestId = 2 ** 31 - 1

export const unknownUser = (user: string | undefined) =>
  new InvalidInput({
    subject: "user",
    issue: `the sandbox has no ${user === undefined ? "such user as its image names" : `user or group ${JSON.stringify(user)}`}; use one of its /etc/passwd, or a number up to ${greatestId}`,
  })

/** Refuses a user or group number that Linux does not have. */
export const requireUserNumbers = (user: string | undefined): Effect.Effect<void, InvalidInput> =>
  (user ?? "").split(":").some((part) => /^\d+$/.test(part) && Number(part) > greatestId)
    ? Effect.fail(unknownUser(user))
    : Effect.void
