import { Effect, Exit, type Layer, Scope } from "effect"
import { type CallSite, callSite } from "../errors/callSite.ts"
import { Closed, type CordonError, type InvalidInput, type InvalidLimits } from "../errors.ts"
import type { Sandboxes } from "../Sandboxes.ts"
import { keepAlive } from "./keepAlive.ts"
import { type CallRuntime, makeRuntime } from "./makeRuntime.ts"
import type { Abortable } from "./options.ts"
import { closed, rejection } from "./rejection.ts"

/** Why there is nothing to run on: a driver, a store or a setting. */
export type SetupError = CordonError | InvalidInput | InvalidLimits

/** What the Promise facade runs on. */
export interface PromiseRuntime<R = Sandboxes> {
  /** What is closed when this is, as an error names it. */
  readonly subject: string
  /** What runs effects; builds its services with the first call. */
  readonly managed: CallRuntime<R, SetupError>
  /** Where the program has its log, for what is run while there is nothing to run on. */
  readonly logging: Layer.Layer<never>
  /** What was opened and not closed is closed with it. */
  readonly scope: Scope.Scope
  /** Ends what is under way, and lets go of all. */
  readonly close: () => Promise<void>
  /** Whether `close` was called. */
  readonly closed: () => boolean
}

/** Makes what calls run on; nothing is started before the first. */
export const makePromiseRuntime = <R>(
  layer: Layer.Layer<R, SetupError>,
  subject: string,
  logging: Layer.Layer<never>,
): PromiseRuntime<R> => {
  const managed = makeRuntime(layer)
  // Not the layer's own, which may be built anew. All that is open ends at the same time.
  const scope = Scope.makeUnsafe("parallel")
  let isClosed = false
  return {
    subject,
    managed,
    logging,
    scope,
    close: () => {
      isClosed = true
      return closeScope(scope).finally(managed.dispose)
    },
    closed: () => isClosed,
  }
}

/** A part of a runtime that is closed by itself, or with the whole. */
export const deriveRuntime = <R>(
  whole: PromiseRuntime<R>,
  subject: string,
): PromiseRuntime<R> & { readonly scope: Scope.Closeable } => {
  const scope = Scope.forkUnsafe(whole.scope)
  let isClosed = false
  return {
    subject,
    managed: whole.managed,
    logging: whole.logging,
    scope,
    close: () => {
      isClosed = true
      return closeScope(scope)
    },
    closed: () => isClosed || whole.closed(),
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

/** Runs an effect for another face, which words failures itself. */
export const runExit = async <A, E, R>(
  runtime: PromiseRuntime<R>,
  effect: Effect.Effect<A, E, R>,
  { signal }: Abortable = {},
): Promise<Exit.Exit<A, E | SetupError>> =>
  runtime.closed()
    ? Exit.fail(new Closed({ subject: runtime.subject }))
    : await runtime.managed.runPromiseExit(effect, signal === undefined ? {} : { signal })

/** Acquires what has to be closed: by `close`, or at once where the acquisition fails. */
export const scoped = async <A, E, R>(
  runtime: PromiseRuntime<R>,
  effect: Effect.Effect<A, E, R | Scope.Scope>,
  { signal, site = callSite(scoped) }: RunOptions = {},
): Promise<{ readonly value: A; readonly close: () => Promise<void> }> => {
  if (runtime.closed()) throw closed(runtime.subject, site)
  const scope = Scope.forkUnsafe(runtime.scope)
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
