import { callSite, withCallSite } from "@cordon/core"

/** Runs what a program called: the stack of an error begins at the program's line, and not at one of ours. */
export const called = async <A>(call: () => Promise<A>): Promise<A> => {
  const site = callSite(called)
  try {
    return await call()
  } catch (error) {
    throw withCallSite(error, site.frames())
  }
}
