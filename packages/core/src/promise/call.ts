import { Effect, Predicate, type Scope, Stream } from "effect"
import { type CallSite, callSite } from "./callSite.ts"
import { inputProblem } from "./checkInput.ts"
import { iterable } from "./iterable.ts"
import { type PromiseRuntime, type RunOptions, run, scoped } from "./runtime.ts"
import { shapes } from "./shapes.ts"

/** What a program gave, by the names of the arguments. */
type Given = Readonly<Record<string, unknown>>
/** A name of what calls take, or it and the call's own name where that is another. */
type Method = keyof typeof shapes | readonly [keyof typeof shapes, string]

/** Why a call can't be made as it was: an argument of another kind, an option that does not exist. */
const problem = (method: Method, given: Given) => {
  const [shape, name] = typeof method === "string" ? [method, method] : method
  for (const [argument, schema] of Object.entries(shapes[shape])) {
    const found = inputProblem(`${argument} of ${name}`, schema, given[argument])
    if (found !== undefined) return found
  }
  return undefined
}

/** Makes the effect of a call once what the program gave has been looked at. */
const checked = <A, E, R>(method: Method, given: Given, make: () => Effect.Effect<A, E, R>) =>
  Effect.suspend(() => {
    const found = problem(method, given)
    // Not a failure that the types of each call would have to name.
    return found === undefined ? make() : Effect.die(found)
  })

const optionsOf = ({ options }: Given, site: CallSite): RunOptions =>
  Predicate.hasProperty(options, "signal") && options.signal instanceof AbortSignal
    ? { signal: options.signal, site }
    : { site }

/** A call of the facade, made by the function that the program called. */
export const call = <A, E, R>(
  runtime: PromiseRuntime<R>,
  method: Method,
  given: Given,
  make: () => Effect.Effect<A, E, R>,
): Promise<A> => run(runtime, checked(method, given, make), optionsOf(given, callSite(call)))

/** As {@link call}, for what has to be closed. */
export const callScoped = <A, E, R>(
  runtime: PromiseRuntime<R>,
  method: Method,
  given: Given,
  make: () => Effect.Effect<A, E, R | Scope.Scope>,
) => scoped(runtime, checked(method, given, make), optionsOf(given, callSite(callScoped)))

/** As {@link call}, for what comes in pieces. */
export const callStream = <A, E, R>(
  runtime: PromiseRuntime<R>,
  method: Method,
  given: Given,
  make: () => Stream.Stream<A, E, R>,
): AsyncIterable<A> =>
  iterable(
    runtime,
    Stream.unwrap(checked(method, given, () => Effect.sync(make))),
    optionsOf(given, callSite(callStream)),
  )
