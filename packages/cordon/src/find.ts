import { setTimeout } from "node:timers/promises"
import {
  type PromiseSandbox,
  type PromiseSandboxes,
  SandboxNameTaken,
  SandboxNotFound,
  SandboxNotRunning,
} from "@cordon/core"
import type { ConnectOptions } from "./options.ts"

/** Milliseconds to wait for a sandbox that another program is making, and between two lookups. */
const patience = 120_000
const look = 100

const isBeingMade = (error: unknown) =>
  error instanceof SandboxNameTaken ||
  (error instanceof SandboxNotRunning && error.status === "created")

/** Retries while another program is making the sandbox, up to this time. */
const onceMade = async <A>(attempt: () => Promise<A>, signal?: AbortSignal): Promise<A> => {
  const end = performance.now() + patience
  for (;;) {
    signal?.throwIfAborted()
    try {
      return await attempt()
    } catch (error) {
      if (!isBeingMade(error) || performance.now() > end) throw error
    }
    await setTimeout(look)
  }
}

/** Finds a sandbox and starts or resumes it if needed: connecting counts as a use. */
const findOnce = async (
  session: PromiseSandboxes,
  reference: string,
  { secrets, egress, signal }: ConnectOptions,
): Promise<PromiseSandbox> => {
  const found = await session.get(reference, { secrets, egress, signal })
  // Its creator starts it.
  if (found.info.status === "created") {
    throw new SandboxNotRunning({ sandbox: found.id, status: "created" })
  }
  await found.start({ signal })
  return found
}

/** Finds a sandbox. Starts it if it was stopped, and resumes it if it was paused. */
export const find = (
  session: PromiseSandboxes,
  reference: string,
  options: ConnectOptions,
): Promise<PromiseSandbox> => onceMade(() => findOnce(session, reference, options), options.signal)

/** Like `find`, but makes the sandbox if there is none. */
export const findOr = (
  session: PromiseSandboxes,
  reference: string,
  options: ConnectOptions,
  make: () => Promise<PromiseSandbox>,
): Promise<PromiseSandbox> =>
  onceMade(async () => {
    try {
      return await findOnce(session, reference, options)
    } catch (error) {
      if (!(error instanceof SandboxNotFound)) throw error
    }
    return await make()
  }, options.signal)
