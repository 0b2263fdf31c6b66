import {
  InvalidInput,
  invalidInput,
  SandboxDriver,
  type SandboxInfo,
  SandboxNotFound,
  SessionId,
  type SessionKey,
  sessionKey,
} from "@cordon/core"
import { Effect, Option, Schema } from "effect"
import { Argument, Flag } from "effect/cli"
import { complain } from "./output.ts"

export const sessionFlag = Flag.String("session").pipe(
  Flag.withDescription("Only sandboxes of the session with this ID"),
  Flag.optional,
)

/** The name of arguments that shells complete with the names of sandboxes. */
export const sandboxName = "sandbox"

export const sandboxArgument = Argument.String(sandboxName).pipe(
  Argument.withDescription("Its name or ID"),
)

export const sandboxArguments = sandboxArgument.pipe(Argument.atLeast(1))

/** The key of the named session, if any. */
export const sessionOf = (session: Option.Option<string>) =>
  Option.isNone(session)
    ? Effect.succeed<SessionKey | undefined>(undefined)
    : Schema.decodeUnknownEffect(SessionId)(session.value).pipe(
        Effect.mapBoth({ onSuccess: sessionKey, onFailure: invalidInput("session ID") }),
      )

/** Finds the only sandbox with an ID or a name, in one session or on the whole host. */
export const findSandbox = Effect.fnUntraced(function* (
  reference: string,
  session: Option.Option<string>,
) {
  const driver = yield* SandboxDriver
  const all = yield* driver.list(yield* sessionOf(session))
  // The newest container of an ID: older ones could not be ended.
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

/** Runs an operation on each named sandbox. A failure prints one line, and the others continue. */
export const forEachSandbox = Effect.fnUntraced(function* <
  E extends { readonly message: string },
  R,
>(
  references: ReadonlyArray<string>,
  session: Option.Option<string>,
  f: (sandbox: SandboxInfo, reference: string) => Effect.Effect<void, E, R>,
) {
  let exitCode = 0
  for (const reference of references) {
    yield* Effect.flatMap(findSandbox(reference, session), (info) => f(info, reference)).pipe(
      Effect.catch(({ message }) =>
        Effect.sync(() => {
          complain(message)
          exitCode = 1
        }),
      ),
    )
  }
  return exitCode
})
