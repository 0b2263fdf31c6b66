import { Config, Duration, Effect, Option, Redacted } from "effect"
import { InvalidInput } from "../errors.ts"

const prefix = "CONTAINER_SANDBOX_"

/**
 * A setting: what the program says, else the environment variable, else the default.
 *
 * @param name of the variable, without `CONTAINER_SANDBOX_`
 */
export const setting = <A, B, C>(
  given: A | undefined,
  variable: (name: string) => Config.Config<B>,
  name: string,
  fallback: C,
): Effect.Effect<A | B | C, InvalidInput> =>
  given === undefined
    ? Effect.mapError(
        Config.withDefault(variable(`${prefix}${name}`), fallback),
        (error) => new InvalidInput({ subject: "settings", issue: error.message }),
      )
    : Effect.succeed(given)

/** A setting that is a duration. */
export const duration = (
  given: Duration.Input | undefined,
  name: string,
  fallback: Duration.Duration,
) =>
  setting(
    // An input that is no duration stays as it is: the schema refuses it and names the setting.
    given === undefined ? undefined : Option.getOrElse(Duration.fromInput(given), () => given),
    Config.Duration,
    name,
    fallback,
  )

/** A variable that lists names, separated by commas. */
export const names = (variable: string) =>
  Config.map(Config.String(variable), (text) =>
    text
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== ""),
  )

/**
 * A setting that the environment has as JSON. The JSON may hold secrets: no error repeats it.
 *
 * @param subject names the setting in errors, where the program gives it
 * @param name of the variable, without `CONTAINER_SANDBOX_`
 * @param check gets `subject` or the variable's name, and the value
 */
export const json = Effect.fnUntraced(function* <A, E, C>(
  given: unknown,
  subject: string,
  name: string,
  fallback: C,
  check: (subject: string, input: unknown) => Effect.Effect<A, E>,
): Effect.fn.Return<A | C, E | InvalidInput> {
  if (given !== undefined) return yield* check(subject, given)
  const variable = `${prefix}${name}`
  const text = yield* Effect.orElseSucceed(Config.option(Config.Redacted(variable)), () =>
    Option.none(),
  )
  if (Option.isNone(text)) return fallback
  const parsed = yield* Effect.try({
    try: (): unknown => JSON.parse(Redacted.value(text.value)),
    catch: () => new InvalidInput({ subject: variable, issue: "it is not valid JSON" }),
  })
  return yield* check(variable, parsed)
})
