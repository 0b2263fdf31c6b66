import { Effect, Option, Pull, Scope, Stream } from "effect"
import { type CallSite, callSite } from "../errors/callSite.ts"
import { untilUndone } from "./makeRuntime.ts"
import { closed } from "./rejection.ts"
import { closeScope, type PromiseRuntime, type RunOptions, run } from "./runtime.ts"

/** A stream as an iterable; the signal ends it with its reason. */
export const iterable = <A, E, R>(
  runtime: PromiseRuntime<R>,
  stream: Stream.Stream<A, E, R>,
  { signal, site = callSite(iterable) }: RunOptions = {},
): AsyncIterable<A> => {
  return {
    [Symbol.asyncIterator]: () => {
      const leave = new AbortController()
      const until = signal === undefined ? leave.signal : AbortSignal.any([signal, leave.signal])
      const pieces = piecesOf(runtime, stream, { until, signal, site })
      return {
        next: () => pieces.next(),
        // At once, and not when the piece that is waited for has come.
        return: () => {
          leave.abort(left)
          return pieces.return(undefined)
        },
        throw: (error: unknown) => {
          leave.abort(left)
          return pieces.throw(error)
        },
      }
    },
  }
}

const left = Symbol("left")

interface Bounds {
  readonly until: AbortSignal
  readonly signal: AbortSignal | undefined
  readonly site: CallSite
}

async function* piecesOf<A, E, R>(
  runtime: PromiseRuntime<R>,
  stream: Stream.Stream<A, E, R>,
  { until, signal, site }: Bounds,
): AsyncGenerator<A, undefined, undefined> {
  if (runtime.closed()) throw closed(runtime.subject, site)
  // Below the runtime's, which ends it where the program does not.
  const scope = Scope.forkUnsafe(runtime.scope)
  let ended: Promise<void> | undefined
  const end = () => (ended ??= untilUndone(closeScope(scope), AbortSignal.abort(), () => {}))
  const endNow = () => void end()
  // Between two pieces nobody waits whom the signal could wake.
  until.addEventListener("abort", endNow)
  try {
    const options = { signal: until, site }
    const pull = await run(runtime, Scope.provide(Stream.toPull(stream), scope), options)
    const next = pull.pipe(
      Effect.map(Option.some),
      Pull.catchDone(() => Effect.succeedNone),
    )
    while (true) {
      signal?.throwIfAborted()
      const pieces = await run(runtime, next, options)
      if (Option.isNone(pieces)) return undefined
      for (const piece of pieces.value) {
        yield piece
        signal?.throwIfAborted()
      }
    }
  } catch (error) {
    if (error === left) return undefined
    throw error
  } finally {
    until.removeEventListener("abort", endNow)
    await end()
  }
}
