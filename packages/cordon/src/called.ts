import { callSite, withCallSite } from "@cordon/core"

/**
 * Runs the implementation of a call, and makes the stack of an error begin at the program's line
 * instead of one of ours.
 */
export const called = async <A>(call: () => Promise<A>): Promise<A> => {
  const site = callSite(called)
  try {
    return await call()
  } catch (error) {
    throw withCallSite(error, site.frames())
  }
}
