import { randomBytes } from "node:crypto"
import { Effect, Schema } from "effect"
import type { SetError } from "../../egress/waysOut.ts"
import {
  type CreateError,
  type InvalidInput,
  invalidInput,
  type LeaseError,
  type SnapshotNotFound,
} from "../../errors.ts"
import type { EgressRules } from "../../values/EgressRules.ts"
import type { CreateOptions, Environment, SnapshotInfo } from "../../values/Sandbox.ts"
import { SandboxName } from "../../values/SandboxName.ts"
import type { SandboxContext } from "../context.ts"
import type { Sandbox } from "../Sandbox.ts"

/** What a fork has of its own: its name, and its tags. */
export type ForkOptions = Pick<CreateOptions, "name" | "tags">

/** What a fork takes from its source, in place of what the options say. */
export interface ForkSource {
  /** The image of a snapshot of the session. */
  readonly image: SnapshotInfo["image"]
  readonly rules: EgressRules | undefined
}

/** Makes a sandbox of the same session from the image of a snapshot. */
export type CreateFrom = (
  options: CreateOptions & { readonly secrets: Environment },
  from: ForkSource,
) => Effect.Effect<Sandbox, CreateError | InvalidInput | LeaseError | SnapshotNotFound | SetError>

/** Checks the name of a snapshot. */
export const snapshotName = (name: string): Effect.Effect<SandboxName, InvalidInput> =>
  Effect.mapError(Schema.decodeUnknownEffect(SandboxName)(name), invalidInput("name of a snapshot"))

/** Keeps the files of a sandbox, and makes other sandboxes of them. */
export const makeSnapshots = (
  { driver, id, info, use, need, secrets, waysOut }: SandboxContext,
  createFrom: CreateFrom,
): Pick<Sandbox, "snapshot" | "fork"> => ({
  snapshot: Effect.fn("Sandbox.snapshot")(function* (
    name = `snapshot-${randomBytes(4).toString("hex")}`,
  ) {
    const { egress: _, ...taken } = yield* use(driver.snapshot(id, yield* snapshotName(name)))
    return taken
  }),
  fork: Effect.fn("Sandbox.fork")(function* (own = {}) {
    yield* need("snapshots")
    const { session, runtime, limits, network, workdir } = info
    // No other program may take the name that a passing snapshot has, nor list it.
    const passing = SandboxName.make(`fork-${randomBytes(8).toString("hex")}`)
    const { name, tags } = own
    return yield* use(driver.snapshot(id, passing, { passing: true })).pipe(
      Effect.flatMap(({ image, egress }) =>
        createFrom(
          { name, tags, runtime, limits, network, workdir, egress, secrets: secrets() },
          { image, rules: waysOut.of(info)?.rules() },
        ),
      ),
      Effect.onError(() => Effect.ignore(driver.removeSnapshot(session, passing))),
    )
  }),
})
