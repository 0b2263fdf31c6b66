import { InvalidInput } from "@cordon/core"
import { Config, Effect, Option, Schema } from "effect"

const count = Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0)))

/** The ulimits of each process in a sandbox. Default: the engine's own. */
export interface Ulimits {
  /** Open files: RLIMIT_NOFILE. */
  readonly nofile?: number
  /**
   * Processes and threads of the user: RLIMIT_NPROC. The kernel counts a user's processes over all
   * sandboxes, so do not use this to limit one sandbox.
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

/** The ulimits from the program's options, else from the environment. */
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
