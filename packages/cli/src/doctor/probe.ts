import { randomUUID } from "node:crypto"
import {
  collectOutput,
  defaultLimits,
  type Limits,
  type Runtime,
  SandboxDriver,
  SandboxName,
  SessionId,
  sandboxId,
  sessionKey,
} from "@cordon/core"
import { Duration, Effect } from "effect"

/** Runs a script in a new sandbox, and removes the sandbox afterwards. */
export const probe = Effect.fnUntraced(function* (
  image: string,
  script: string,
  limits: Partial<Limits> = {},
  runtime: Runtime = "runc",
) {
  const driver = yield* SandboxDriver
  const session = sessionKey(SessionId.make(`doctor-${randomUUID()}`))
  const name = SandboxName.make("probe")
  const id = sandboxId(session, name)
  const spec = {
    name,
    image,
    runtime,
    limits: { ...defaultLimits, memory: 128 * 1024 ** 2, pids: 64, ...limits },
    network: "none" as const,
    lease: { idleTimeout: 60_000, removeTimeout: 120_000 },
    env: {},
  }
  yield* Effect.acquireRelease(driver.create({ id, session, spec }), () =>
    Effect.ignore(driver.remove(id)),
  )
  const request = { command: script, timeout: Duration.seconds(20) }
  return yield* collectOutput(driver.exec(id, request), 64 * 1024)
}, Effect.scoped)
