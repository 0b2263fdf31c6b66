import type { PromiseSandbox, PromiseSandboxes } from "@cordon/core"
import type { Stopwatch, Subject } from "../harness/Case.ts"
import type { Stage } from "../harness/stage.ts"

/** What is done with the sandboxes of a driver, whichever it is. */
export type Way = (sandboxes: PromiseSandboxes) => Promise<Subject["run"]>

/** In a sandbox of its own, over and over. */
export const within =
  (use: (sandbox: PromiseSandbox) => Promise<unknown>): Way =>
  async (sandboxes) => {
    const sandbox = await sandboxes.create()
    return async ({ time }: Stopwatch) => {
      await time(() => use(sandbox))
    }
  }

export const creating =
  (count: (stage: Stage) => number) =>
  (stage: Stage): Way =>
  async (sandboxes) =>
  async ({ time }) => {
    const all = await time(() =>
      Promise.all(Array.from({ length: count(stage) }, () => sandboxes.create())),
    )
    await Promise.all(all.map((sandbox) => sandbox.remove()))
  }

export const removing =
  (): Way =>
  async (sandboxes) =>
  async ({ time }) => {
    const sandbox = await sandboxes.create()
    await time(() => sandbox.remove())
  }
