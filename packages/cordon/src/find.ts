import { setTimeout } from "node:timers/promises"
import {
  type PromiseSandbox,
  type PromiseSandboxes,
  SandboxNameTaken,
  SandboxNotFound,
  SandboxNotRunning,
} from "@cordon/core"
import type { ConnectOptions } from "./options.ts"

/** Milliseconds that a sandbox gets which somebody else is making, and between two looks at it. */
const patience = 120_000
const look = 100

const isBeingMade = (error: unknown) =>
  error instanceof SandboxNameTaken ||
  (error instanceof SandboxNotRunning && error.status === "created")

/** Tries again as long as somebody else is making the sandbox, and no longer than it is worth to wait. */
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

/** Finds a sandbox and has it run: connecting is a use of it. */
const findOnce = async (
  session: PromiseSandboxes,
  reference: string,
  { secrets, egress, signal }: ConnectOptions,
): Promise<PromiseSandbox> => {
  const found = await session.get(reference, { secrets, egress, signal })
  // Its maker starts it.
  if (found.info.status === "created") {
    throw new SandboxNotRunning({ sandbox: found.id, status: "created" })
  }
  await found.start({ signal })
  return found
}

/** Finds a sandbox that runs, or is made to: one that was stopped or paused. */
export const find = (
  session: PromiseSandboxes,
  reference: string,
  options: ConnectOptions,
): Promise<PromiseSandbox> => onceMade(() => findOnce(session, reference, options), options.signal)

/** As `find`, or makes it where there is none. */
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
