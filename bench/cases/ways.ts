import {
  type CreateSandboxesOptions,
  createSandboxes,
  type PromiseSandbox,
  type PromiseSandboxes,
} from "@cordon/core"
import type { Stopwatch, Subject } from "../harness/Case.ts"
import type { Stage } from "../harness/stage.ts"

/** An operation on the sandboxes of any driver. */
export type Way = (sandboxes: PromiseSandboxes) => Promise<Subject["run"]>

/** The same with each of some drivers. */
export const subjectsOf = async (
  { image }: Stage,
  stack: AsyncDisposableStack,
  drivers: Readonly<Record<string, CreateSandboxesOptions["driver"]>>,
  way: Way,
  options: Partial<CreateSandboxesOptions> = {},
): Promise<ReadonlyArray<Subject>> => {
  const subjects: Array<Subject> = []
  for (const [name, driver] of Object.entries(drivers)) {
    const sandboxes = stack.use(
      createSandboxes({
        driver,
        image,
        sessionId: `bench-${name}`,
        network: "none",
        maxSandboxes: 1000,
        ...options,
      }),
    )
    subjects.push({ name, run: await way(sandboxes) })
  }
  return subjects
}

/** Repeats the operation in its own sandbox. */
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
