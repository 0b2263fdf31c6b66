import { randomBytes } from "node:crypto"
import { Effect, Schema } from "effect"
import { invalidInput, SnapshotNotFound } from "../errors.ts"
import { createDuration } from "../metrics.ts"
import type { Sandbox } from "../sandbox/Sandbox.ts"
import type { ForkSource } from "../sandbox/snapshots/snapshots.ts"
import { checkEgress } from "../values/EgressRules.ts"
import { checkCredentials } from "../values/Registry.ts"
import { CreateOptions, type SandboxInfo } from "../values/Sandbox.ts"
import { sandboxId } from "../values/SandboxId.ts"
import { SandboxName } from "../values/SandboxName.ts"
import type { SessionContext } from "./context.ts"
import { accessTo } from "./imageAccess.ts"
import { plan, type Wanted } from "./plan.ts"
import type { SandboxSession } from "./SandboxSession.ts"
import { type CreateSecrets, checkSecrets } from "./Secrets.ts"

type CreateParameters = Parameters<SandboxSession["create"]>

/** Checks what a creation was given; defaults are filled in by its plan. */
const checkOptions = Effect.fnUntraced(function* (options: CreateOptions & CreateSecrets) {
  const { egress, ...others } = options
  const decoded = yield* Schema.decodeUnknownEffect(CreateOptions)(others).pipe(
    Effect.mapError(invalidInput("sandbox options")),
  )
  const wanted: Wanted = {
    ...decoded,
    egress: egress && (yield* checkEgress("sandbox options (egress)", egress)),
  }
  const secrets = yield* checkSecrets(options.secrets ?? {})
  const credentials = yield* checkCredentials(
    "registryCredentials",
    options.registryCredentials ?? {},
  )
  return { wanted, secrets, credentials }
})

const findSnapshot = Effect.fnUntraced(function* (
  { driver, key }: SessionContext,
  name: SandboxName,
) {
  const found = (yield* driver.snapshots(key)).find((snapshot) => snapshot.name === name)
  return found ?? (yield* new SnapshotNotFound({ snapshot: name }))
})

/**
 * Creates sandboxes of a session.
 *
 * @param sandboxOf makes the handle of what was created
 */
export const makeCreate = (context: SessionContext, sandboxOf: (info: SandboxInfo) => Sandbox) => {
  const { driver, leases, settings, capabilities, key, owner, waysOut } = context

  return Effect.fn("Sandboxes.create")(function* (
    options: NonNullable<CreateParameters[0]> = {},
    onProgress?: CreateParameters[1],
    from?: ForkSource,
  ) {
    const { wanted, secrets, credentials } = yield* checkOptions(options)
    const name = wanted.name ?? SandboxName.make(`box-${randomBytes(4).toString("hex")}`)
    const id = sandboxId(key, name)
    yield* Effect.annotateCurrentSpan({ "sandbox.id": id })
    const host = yield* capabilities
    const planned = yield* plan(name, wanted, { settings, host, store: leases.store })
    const rules = planned.rules ?? from?.rules
    if (rules !== undefined) yield* waysOut.check(rules)
    yield* context.warnUnenforced(planned.spec.limits, host)
    const snapshot =
      wanted.snapshot === undefined
        ? from?.image
        : (yield* findSnapshot(context, wanted.snapshot)).image
    const image = snapshot ?? wanted.image ?? settings.image
    // A snapshot is the session's own, and comes from no registry.
    const access = snapshot === undefined ? accessTo(settings, image, credentials) : undefined
    const request = { id, session: key, spec: { ...planned.spec, image } }
    const make = Effect.flatMap(leases.remnant(id), (instead) =>
      driver.create({ ...request, access, instead }, onProgress),
    )
    const made = leases.create(request, settings.quotas)(make)
    const opened = rules === undefined ? made : waysOut.around(rules, request, made, sandboxOf)
    const info = yield* owner.creating(opened).pipe(Effect.trackDuration(createDuration))
    context.secrets.set(info.instanceId, secrets)
    return sandboxOf(info)
  })
}
