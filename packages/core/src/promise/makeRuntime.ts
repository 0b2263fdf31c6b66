import { Effect, Exit, Layer, ManagedRuntime } from "effect"
import { keepAlive } from "./keepAlive.ts"

/** What a face without Effect runs its calls on: a part of `ManagedRuntime`. */
export type CallRuntime<R, E> = Pick<
  ManagedRuntime.ManagedRuntime<R, E>,
  "runPromise" | "runPromiseExit" | "scope" | "dispose"
>

/** Milliseconds that an aborted call has for undoing what it began, before it is left to itself. */
export const undoing = 5000

/** Resolves so long after the signal, unless `stop` is called before. */
const longAfter = (signal: AbortSignal) => {
  const { promise, resolve } = Promise.withResolvers<void>()
  let timer: NodeJS.Timeout | undefined
  const begin = () => {
    timer = setTimeout(resolve, undoing)
  }
  if (signal.aborted) begin()
  else signal.addEventListener("abort", begin, { once: true })
  const stop = () => {
    clearTimeout(timer)
    signal.removeEventListener("abort", begin)
  }
  return { promise, stop }
}

/**
 * Waits for a call that is aborted by the signal, but not for ever: an engine that hangs answers
 * nobody who would undo something. The undoing then goes on by itself.
 */
export const untilUndone = async <A>(
  call: Promise<A>,
  signal: AbortSignal | undefined,
  late: () => A,
): Promise<A> => {
  if (signal === undefined) return await call
  const { promise, stop } = longAfter(signal)
  try {
    return await Promise.race([call, promise.then(late)])
  } finally {
    stop()
  }
}

/**
 * A runtime over a layer. A call that is pending keeps the process alive. Where the layer can't be built (no engine or database answers yet), the
 * calls that need it fail with the reason, and the next call builds it anew.
 */
export const makeRuntime = <R, E>(layer: Layer.Layer<R, E>): CallRuntime<R, E> => {
  const disposals = new Set<Promise<void>>()
  let closed = false
  const open = () => {
    let broken = false
    const watched = Layer.tapCause(layer, () =>
      Effect.sync(() => {
        broken = true
      }),
    )
    return { runtime: ManagedRuntime.make(watched), isBroken: () => broken }
  }
  let current = open()

  const dispose = (runtime: { readonly dispose: () => Promise<void> }) => {
    const disposal = runtime.dispose()
    disposals.add(disposal)
    const done = () => void disposals.delete(disposal)
    disposal.then(done, done)
    return disposal
  }

  const usable = () => {
    if (!closed && current.isBroken()) {
      void dispose(current.runtime).catch(() => {})
      current = open()
    }
    return current.runtime
  }

  return {
    runPromise: (effect, options) => keepAlive(usable().runPromise(effect, options)),
    runPromiseExit: (effect, options) =>
      keepAlive(
        untilUndone(usable().runPromiseExit(effect, options), options?.signal, () =>
          Exit.interrupt(),
        ),
      ),
    get scope() {
      return usable().scope
    },
    dispose: async () => {
      closed = true
      await keepAlive(dispose(current.runtime))
      await keepAlive(Promise.allSettled(disposals))
    },
  }
}
