import { it } from "vitest"

/** A test that can't run here: it is reported as skipped, with its reason. */
export const skipped = (name: string, reason: string): void => it(name, (ctx) => ctx.skip(reason))
