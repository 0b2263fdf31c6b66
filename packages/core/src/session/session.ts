import { Effect } from "effect"
import { invalidInput, SandboxNotFound } from "../errors.ts"
import { makeSandbox } from "../sandbox/makeSandbox.ts"
import type { Sandbox } from "../sandbox/Sandbox.ts"
import { snapshotName } from "../sandbox/snapshots/snapshots.ts"
import type { SandboxInfo } from "../values/Sandbox.ts"
import { resolveSandboxId } from "../values/SandboxId.ts"
import type { SessionContext } from "./context.ts"
import { makeCreate } from "./create.ts"
import { decodeFilter, pageOf } from "./finding.ts"
import type { SandboxSession } from "./SandboxSession.ts"
import { checkSecrets, type GetOptions } from "./Secrets.ts"
import { makeSandboxContext } from "./sandboxContext.ts"

/** The sandboxes of one session. */
export const makeSession = (context: SessionContext): SandboxSession => {
  const { driver, leases, key } = context
  const { whileOpen } = context.owner
  const sandboxOf = (info: SandboxInfo): Sandbox =>
    makeSandbox(makeSandboxContext(context, info), (options, from) =>
      create(options, undefined, from),
    )
  const create = makeCreate(context, sandboxOf)
  return {
    create: (options, onProgress) => create(options, onProgress),
    get: Effect.fnUntraced(function* (reference, options = {}) {
      const { egress } = options
      const sandbox = sandboxOf(yield* find(context, reference, options))
      if (egress !== undefined) yield* sandbox.egress.update(egress)
      return sandbox
    }, whileOpen),
    list: whileOpen(leases.list(key)),
    find: Effect.fn("Sandboxes.find")(function* (filter = {}) {
      const wanted = yield* Effect.mapError(decodeFilter(filter), invalidInput("filter"))
      return pageOf(yield* whileOpen(leases.list(key, wanted.tags)), wanted)
    }),
    snapshots: {
      list: whileOpen(driver.snapshots(key)),
      remove: Effect.fnUntraced(function* (name) {
        yield* whileOpen(driver.removeSnapshot(key, yield* snapshotName(name)))
      }),
    },
  }
}

/** Finds a sandbox of the session by its name or ID, and keeps the secrets that are given for it. */
const find = Effect.fnUntraced(function* (
  { leases, key, secrets: kept }: SessionContext,
  reference: string,
  options: GetOptions,
) {
  const secrets = options.secrets && (yield* checkSecrets(options.secrets))
  const id = resolveSandboxId(key, reference)
  const unknown = new SandboxNotFound({ sandbox: reference })
  if (id === undefined) return yield* unknown
  const info = yield* leases
    .find(id)
    .pipe(Effect.catchTag("SandboxNotFound", () => Effect.fail(unknown)))
  // The ID holds only a part of the key: what decides is the whole one.
  if (info.session !== key) return yield* unknown
  if (secrets !== undefined) kept.set(info.instanceId, secrets)
  return info
})
