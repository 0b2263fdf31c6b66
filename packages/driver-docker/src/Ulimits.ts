import { InvalidInput } from "@cordon/core"
import { Config, Effect, Option, Schema } from "effect"

const count = Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0)))

/** What each process of a sandbox may have; the engine's own defaults where absent. */
export interface Ulimits {
  /** Open files: RLIMIT_NOFILE. */
  readonly nofile?: number
  /**
   * Processes and threads of its user: RLIMIT_NPROC. The kernel counts those of the same user in all
   * sandboxes, so that this is no place to limit one of them.
   */
  readonly nproc?: number
}

const Settings = Schema.Struct({
  nofile: Schema.optionalKey(count),
  nproc: Schema.optionalKey(count),
})
const decode = Schema.decodeUnknownEffect(Settings, { onExcessProperty: "error" })

/** `nofile=16384,nproc=32768` */
const parse = (text: string) =>
  Object.fromEntries(
    text
      .split(",")
      .filter((part) => part.trim() !== "")
      .map((part) => {
        const [name = "", value] = part.split("=")
        return [name.trim(), Number(value)]
      }),
  )

/** What was asked for in a program or its environment. */
export const ulimitsOf = Effect.fnUntraced(
  function* (option: Ulimits | undefined) {
    const setting = Config.option(Config.String("CONTAINER_SANDBOX_ULIMITS"))
    return yield* decode(
      option ?? Option.match(yield* setting, { onNone: () => ({}), onSome: parse }),
    )
  },
  Effect.mapError(
    (error: { readonly message: string }) =>
      new InvalidInput({ subject: "ulimits", issue: error.message }),
  ),
)
