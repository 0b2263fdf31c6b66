import { Effect, Exit, type Layer, Scope } from "effect"
import type { CordonError, InvalidInput, InvalidLimits } from "../errors.ts"
import type { Sandboxes } from "../Sandboxes.ts"
import type { SessionFiles } from "../SessionFiles.ts"
import { type CallSite, callSite } from "./callSite.ts"
import { keepAlive } from "./keepAlive.ts"
import { type CallRuntime, makeRuntime } from "./makeRuntime.ts"
import type { Abortable } from "./options.ts"
import { closed, rejection } from "./rejection.ts"

/** What calls of the Promise facade need. */
export type Services = Sandboxes | SessionFiles

/** What the Promise facade runs on. */
export interface PromiseRuntime<R = Services> {
  /** What is closed when this is, as an error names it. */
  readonly subject: string
  readonly managed: CallRuntime<R, CordonError | InvalidInput | InvalidLimits>
  /** Ends what is under way, and lets go of all. */
  readonly close: () => Promise<void>
  readonly closed: () => boolean
}

/** Makes what calls run on; nothing is started before the first. */
export const makePromiseRuntime = <R>(
  layer: Layer.Layer<R, CordonError | InvalidInput | InvalidLimits>,
  subject: string,
): PromiseRuntime<R> => {
  const managed = makeRuntime(layer)
  let isClosed = false
  return {
    subject,
    managed,
    close: () => {
      isClosed = true
      return managed.dispose()
    },
    closed: () => isClosed,
  }
}

/** How an effect is run for a program. */
export interface RunOptions extends Abortable {
  /** Where the program called, unless it has just called the function that this is run in. */
  readonly site?: CallSite
}

/** Runs an effect and rejects with its error itself, not with a wrapper around it. */
export const run = async <A, E, R>(
  runtime: PromiseRuntime<R>,
  effect: Effect.Effect<A, E, R>,
  { signal, site = callSite(run) }: RunOptions = {},
): Promise<A> => {
  const { managed, subject } = runtime
  if (runtime.closed()) throw closed(subject, site)
  const exit = await managed.runPromiseExit(effect, signal === undefined ? {} : { signal })
  if (Exit.isSuccess(exit)) return exit.value
  throw rejection(exit.cause, site, { signal, subject })
}

/** Acquires what has to be closed: by `close`, or at once where the acquisition fails. */
export const scoped = async <A, E, R>(
  runtime: PromiseRuntime<R>,
  effect: Effect.Effect<A, E, R | Scope.Scope>,
  { signal, site = callSite(scoped) }: RunOptions = {},
): Promise<{ readonly value: A; readonly close: () => Promise<void> }> => {
  if (runtime.closed()) throw closed(runtime.subject, site)
  const scope = Scope.forkUnsafe(runtime.managed.scope)
  const close = () => closeScope(scope)
  const acquire = Effect.onError(Scope.provide(effect, scope), (cause) =>
    Scope.close(scope, Exit.failCause(cause)),
  )
  const options = signal === undefined ? { site } : { signal, site }
  return { value: await run(runtime, acquire, options), close }
}

/** Closes what a call opened; no effect where it is closed, with its runtime perhaps. */
export const closeScope = (scope: Scope.Closeable): Promise<void> =>
  keepAlive(Effect.runPromise(Scope.close(scope, Exit.void)))
