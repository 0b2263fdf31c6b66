import {
  InvalidInput,
  invalidInput,
  SandboxDriver,
  SandboxNotFound,
  SessionId,
  type SessionKey,
  sessionKey,
} from "@cordon/core"
import { Effect, Option, Schema } from "effect"
import { Flag } from "effect/cli"

export const sessionFlag = Flag.String("session").pipe(
  Flag.withDescription("Only sandboxes of the session with this ID"),
  Flag.optional,
)

/** The key of a session that was named, if any was. */
export const sessionOf = (session: Option.Option<string>) =>
  Option.isNone(session)
    ? Effect.succeed<SessionKey | undefined>(undefined)
    : Schema.decodeUnknownEffect(SessionId)(session.value).pipe(
        Effect.mapBoth({ onSuccess: sessionKey, onFailure: invalidInput("session ID") }),
      )

/** The one sandbox that an ID or a name stands for, in one session or on the whole host. */
export const findSandbox = Effect.fnUntraced(function* (
  reference: string,
  session: Option.Option<string>,
) {
  const driver = yield* SandboxDriver
  const all = yield* driver.list(yield* sessionOf(session))
  // The newest of an ID: those before it could not be ended.
  const found = [...new Map(all.map((info) => [info.id, info])).values()].filter(
    ({ id, name }) => id === reference || name === reference,
  )
  const [first, second] = found
  if (first === undefined) return yield* new SandboxNotFound({ sandbox: reference })
  if (second !== undefined) {
    return yield* new InvalidInput({
      subject: "sandbox",
      issue: `${found.length} sessions have one named ${JSON.stringify(reference)}; give its ID (cordon ps) or --session`,
    })
  }
  return first
})
