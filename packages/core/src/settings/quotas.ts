import { Config, Effect, Option, Predicate, Record, Schema } from "effect"
import { type InvalidInput, invalidInput } from "../errors.ts"
import type { Quota } from "../leases/quotas.ts"
import { parseMemory } from "../values/Limits.ts"
import { PositiveInt } from "./CheckedSettings.ts"
import { setting } from "./environment.ts"
import type { QuotaInput } from "./SettingsInput.ts"

/** The bytes of a size; NaN for a text that is no size. */
const bytesOf = (size: number | string) =>
  typeof size === "number" ? size : Option.getOrElse(parseMemory(size), () => Number.NaN)

const PositiveSize = Schema.Union([Schema.Number, Schema.String]).pipe(
  Schema.check(
    Schema.makeFilter((size) => bytesOf(size) > 0, {
      expected: "a number of bytes above zero, or a size such as 64GiB",
    }),
  ),
)

const CheckedQuota = Schema.Struct({
  sandboxes: Schema.optionalKey(PositiveInt),
  memory: Schema.optionalKey(PositiveSize),
  cpus: Schema.optionalKey(Schema.Finite.pipe(Schema.check(Schema.isGreaterThan(0)))),
  disk: Schema.optionalKey(PositiveSize),
})

/**
 * Reads and checks a quota.
 *
 * @param subject names the quota in errors
 * @param name begins the names of its variables
 */
export const readQuota = Effect.fnUntraced(function* (
  subject: string,
  input: QuotaInput & { readonly sandboxes?: number },
  name: string,
): Effect.fn.Return<Quota, InvalidInput> {
  const given = yield* Effect.all({
    sandboxes: setting(input.sandboxes, Config.Number, `${name}_SANDBOXES`, undefined),
    memory: setting(input.memory, Config.String, `${name}_MEMORY`, undefined),
    cpus: setting(input.cpus, Config.Number, `${name}_CPUS`, undefined),
    disk: setting(input.disk, Config.String, `${name}_DISK`, undefined),
  })
  const checked = yield* Schema.decodeUnknownEffect(CheckedQuota)(
    Record.filter(given, Predicate.isNotUndefined),
  ).pipe(Effect.mapError(invalidInput(`settings (${subject})`)))
  const { memory, disk, ...counts } = checked
  const sizes = Record.filter({ memory, disk }, Predicate.isNotUndefined)
  return { ...counts, ...Record.map(sizes, bytesOf) }
})
