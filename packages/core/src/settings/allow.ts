import { Config, Effect, Predicate, Record, Schema } from "effect"
import { invalidInput } from "../errors.ts"
import { Allow } from "../Policy.ts"
import { names, setting } from "./environment.ts"

const checkAllow = (input: unknown) =>
  Schema.decodeUnknownEffect(Allow)(input, { onExcessProperty: "error" }).pipe(
    Effect.mapError(invalidInput("settings (allow)")),
  )

/** Reads and checks what a creation may ask for beyond the settings. */
export const readAllow = Effect.fnUntraced(function* (input: Allow = {}) {
  // Checked once before the environment is read too, so that an error shows what the program gave.
  const { limits = {}, egress, ...lists } = yield* checkAllow(input)
  const given = yield* Effect.all({
    runtimes: setting(lists.runtimes, names, "ALLOW_RUNTIMES", undefined),
    networks: setting(lists.networks, names, "ALLOW_NETWORKS", undefined),
    images: setting(lists.images, names, "ALLOW_IMAGES", undefined),
    registries: setting(lists.registries, names, "ALLOW_REGISTRIES", undefined),
  })
  const most = yield* Effect.all({
    memory: setting(limits.memory, Config.String, "ALLOW_MEMORY", undefined),
    cpus: setting(limits.cpus, Config.Number, "ALLOW_CPUS", undefined),
    pids: setting(limits.pids, Config.Number, "ALLOW_PIDS", undefined),
    disk: setting(limits.disk, Config.String, "ALLOW_DISK", undefined),
  })
  return yield* checkAllow({
    ...Record.filter({ ...given, egress }, Predicate.isNotUndefined),
    limits: Record.filter(most, Predicate.isNotUndefined),
  })
})
