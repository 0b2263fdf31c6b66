import { type SandboxDriver, SandboxNotFound } from "@cordon/core"
import { Effect } from "effect"
import type { At, Lookup } from "./lookup.ts"
import { isCreating } from "./service.ts"

/** Describes a sandbox from the managers' data, and adds its usage if its node answers. */
export const makeInspect = ({ look }: Lookup, at: At): SandboxDriver["Service"]["inspect"] =>
  Effect.fn("SwarmDriver.inspect")(function* (id) {
    const { sandbox, service, place } = yield* look(id)
    if (isCreating(service)) return yield* new SandboxNotFound({ sandbox: id })
    if (place === undefined || sandbox.status !== "running") return sandbox
    const usage = yield* at(place.host).pipe(
      Effect.flatMap(({ usageOf }) => usageOf(place.instanceId)),
      Effect.scoped,
      Effect.orElseSucceed(() => ({})),
    )
    return { ...sandbox, ...usage }
  })
