import { Effect, Predicate, type Scope, Stream } from "effect"
import { callSite } from "../errors/callSite.ts"
import { inputProblem } from "../input/checkInput.ts"
import type { Sandboxes } from "../Sandboxes.ts"
import { iterable } from "./iterable.ts"
import { type PromiseRuntime, type RunOptions, run, scoped } from "./runtime.ts"
import { shapes } from "./shapes.ts"

/** The shape of a call's arguments, or the shape and the call's name if that is another. */
type Call = keyof typeof shapes | readonly [shape: keyof typeof shapes, name: string]

/** Names and schemas of a call's arguments, in their order. */
const argumentsOf = (call: Call) =>
  Object.entries(shapes[typeof call === "string" ? call : call[0]])

/** Finds an argument of a wrong type, or an option that does not exist. */
const problem = (call: Call, given: ReadonlyArray<unknown>) => {
  const name = typeof call === "string" ? call : call[1]
  for (const [index, [argument, schema]] of argumentsOf(call).entries()) {
    const found = inputProblem(`${argument} of ${name}`, schema, given[index])
    if (found !== undefined) return found
  }
  return undefined
}

/** Makes the effect of a call after its arguments have been checked. */
const checked = <A, E, R>(
  call: Call,
  given: ReadonlyArray<unknown>,
  make: () => Effect.Effect<A, E, R>,
) =>
  Effect.suspend(() => {
    const found = problem(call, given)
    // Not a failure that the types of each call would have to name.
    return found === undefined ? make() : Effect.die(found)
  })

/** Options of running a call; the method that the program called must call this. */
const runOptionsOf = (call: Call, given: ReadonlyArray<unknown>): RunOptions => {
  const site = callSite(runOptionsOf)
  const options = given[argumentsOf(call).findIndex(([argument]) => argument === "options")]
  return Predicate.hasProperty(options, "signal") && options.signal instanceof AbortSignal
    ? { signal: options.signal, site }
    : { site }
}

/**
 * Derives methods of the facade from members of Effect services. A method checks its arguments against
 * the shape of the call, passes all of them to the member, and ends early by the `signal` of its options.
 */
export const methodsOn = (runtime: PromiseRuntime) => ({
  /** A method that runs the member's effect. */
  promise:
    <Args extends ReadonlyArray<unknown>, A, E>(
      call: Call,
      member: (...given: Args) => Effect.Effect<A, E, Sandboxes>,
    ) =>
    (...given: Args): Promise<A> =>
      run(
        runtime,
        checked(call, given, () => member(...given)),
        runOptionsOf(call, given),
      ),

  /** A method that runs the member's stream. */
  iterable:
    <Args extends ReadonlyArray<unknown>, A, E>(
      call: Call,
      member: (...given: Args) => Stream.Stream<A, E, Sandboxes>,
    ) =>
    (...given: Args): AsyncIterable<A> =>
      iterable(
        runtime,
        Stream.unwrap(checked(call, given, () => Effect.sync(() => member(...given)))),
        runOptionsOf(call, given),
      ),

  /** A method that acquires what the member makes in a scope; `close` closes the scope. */
  closable:
    <Args extends ReadonlyArray<unknown>, A, E, B>(
      call: Call,
      member: (...given: Args) => Effect.Effect<A, E, Sandboxes | Scope.Scope>,
      handle: (value: A, close: () => Promise<void>, ...given: Args) => B,
    ) =>
    async (...given: Args): Promise<B> => {
      const { value, close } = await scoped(
        runtime,
        checked(call, given, () => member(...given)),
        runOptionsOf(call, given),
      )
      return handle(value, close, ...given)
    },
})
