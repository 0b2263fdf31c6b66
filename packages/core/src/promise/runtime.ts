import { Cause, Effect, Exit, type ManagedRuntime, Scope, Stream } from "effect"
import type { CordonError, InvalidInput, InvalidLimits } from "../errors.ts"
import type { Sandboxes } from "../Sandboxes.ts"
import type { SessionFiles } from "../SessionFiles.ts"

import type { Abortable } from "./options.ts"

/** What the Promise facade runs on. */
export type Services = Sandboxes | SessionFiles
export type Runtime = ManagedRuntime.ManagedRuntime<
  Services,
  CordonError | InvalidInput | InvalidLimits
>

/** Runs an effect and rejects with its error itself, not with a wrapper around it. */
export const run = async <A, E>(
  runtime: Runtime,
  effect: Effect.Effect<A, E, Services>,
  options: Abortable = {},
): Promise<A> => {
  const exit = await runtime.runPromiseExit(
    effect,
    options.signal === undefined ? {} : { signal: options.signal },
  )
  if (Exit.isSuccess(exit)) return exit.value
  if (Cause.hasInterruptsOnly(exit.cause) && options.signal?.aborted) throw options.signal.reason
  throw Cause.squash(exit.cause)
}

/** Acquires what has to be closed: by `close`, or at once where the acquisition fails. */
export const scoped = async <A, E>(
  runtime: Runtime,
  effect: Effect.Effect<A, E, Services | Scope.Scope>,
  options?: Abortable,
): Promise<{ readonly value: A; readonly close: () => Promise<void> }> => {
  const scope = await run(runtime, Scope.make())
  const close = () => run(runtime, Scope.close(scope, Exit.void))
  const acquire = Effect.onError(Scope.provide(effect, scope), (cause) =>
    Scope.close(scope, Exit.failCause(cause)),
  )
  return { value: await run(runtime, acquire, options), close }
}

/** A stream as an iterable; the signal ends it with its reason. */
export const iterable = <A, E>(
  runtime: Runtime,
  stream: Stream.Stream<A, E, Services>,
  { signal }: Abortable = {},
): AsyncIterable<A> => ({
  [Symbol.asyncIterator]: async function* () {
    const context = await runtime.context()
    const abortable = signal === undefined ? stream : Stream.interruptWhen(stream, aborted(signal))
    yield* Stream.toAsyncIterable(Stream.provideContext(abortable, context))
  },
})

/** Fails with the signal's reason. */
const aborted = (signal: AbortSignal) =>
  Effect.callback<never, unknown>((resume) => {
    const abort = () => resume(Effect.fail(signal.reason))
    if (signal.aborted) return abort()
    signal.addEventListener("abort", abort)
    return Effect.sync(() => signal.removeEventListener("abort", abort))
  })
