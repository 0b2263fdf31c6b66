import { assert } from "vitest"

/** What a call rejects with. */
export const rejects = async (call: PromiseLike<unknown>): Promise<unknown> => {
  try {
    await call
  } catch (error) {
    return error
  }
  return assert.fail("it did not reject")
}
