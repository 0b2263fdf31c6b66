import { Cause } from "effect"
import type { CallSite } from "../errors/callSite.ts"
import { isTagged, withCallSite } from "../errors/TaggedError.ts"
import { Closed, Unexpected } from "../errors.ts"

/** What a callback or a source of the program's own threw: the call rejects with that very value. */
class Thrown {
  readonly error: unknown
  constructor(error: unknown) {
    this.error = error
  }
}

/** For `Effect.try` and the like: a throw of the program's own, that ends the call. */
export const thrown = (error: unknown) => new Thrown(error)

/** Runs a callback of the program. */
export const callback = <A>(call: () => A): A => {
  try {
    return call()
  } catch (error) {
    throw new Thrown(error)
  }
}

/** What a promise rejects with: an error of ours, the signal's reason, or what the program threw. */
export const rejection = (
  cause: Cause.Cause<unknown>,
  site: CallSite,
  { signal, subject }: { readonly signal?: AbortSignal | undefined; readonly subject: string },
): unknown => {
  if (Cause.hasInterruptsOnly(cause)) {
    return signal?.aborted === true ? signal.reason : closed(subject, site)
  }
  const error = Cause.squash(cause)
  if (error instanceof Thrown) return error.error
  const told = Cause.hasFails(cause) || isTagged(error) ? error : Unexpected.of(error)
  return withCallSite(told, site.frames())
}

/** What a call on something closed rejects with. */
export const closed = (subject: string, site: CallSite): unknown =>
  withCallSite(new Closed({ subject }), site.frames())
