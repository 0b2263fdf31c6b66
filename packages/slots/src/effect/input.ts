import {
  type Cause,
  Deferred,
  Effect,
  Latch,
  type PlatformError,
  Queue,
  Sink,
  Stream,
} from "effect"
import type { ChildProcess } from "effect/process"
import type { Outputs } from "./outputs.ts"

type Bytes = Stream.Stream<Uint8Array, PlatformError.PlatformError>

/** Standard input as an option names it. */
interface Config {
  readonly stream: ChildProcess.CommandInput
  readonly endOnDone: boolean
}

export const inputConfig = (option: ChildProcess.CommandOptions["stdin"]): Config => {
  if (option === undefined) return { stream: "pipe", endOnDone: true }
  if (typeof option === "string" || Stream.isStream(option)) {
    return { stream: option, endOnDone: true }
  }
  return { stream: option.stream, endOnDone: option.endOnDone ?? true }
}

/** Standard input of a command. */
export interface Input {
  readonly sink: Sink.Sink<void, Uint8Array, never, PlatformError.PlatformError>
  /** The command's input, once it is known whether there is any. */
  readonly given: Effect.Effect<Stream.Stream<Uint8Array> | undefined>
  /** Says that somebody waits for the command. */
  readonly await: Effect.Effect<void>
  /** Feeds the input from the options. */
  readonly feed: Effect.Effect<void>
  /** Fails with the error of the options' stream. */
  readonly failure: Deferred.Deferred<never, PlatformError.PlatformError>
}

/**
 * `isLive`: whether the command reads while it runs. Otherwise it starts when its input is complete
 * or, if there is no input, when its output or its end is first requested.
 *
 * @param ended completes with the command; later writes are dropped
 */
export const makeInput = (
  { stream, endOnDone }: Config,
  isLive: boolean,
  ended: Deferred.Deferred<void>,
): Effect.Effect<Input> =>
  Effect.gen(function* () {
    const queue = yield* Queue.bounded<Uint8Array, Cause.Done>(1)
    const failure = yield* Deferred.make<never, PlatformError.PlatformError>()
    const isStream = Stream.isStream(stream)
    const begun = Latch.makeUnsafe(isLive || isStream || stream === "ignore")
    let isFed = stream !== "ignore" && (isLive || isStream)

    const give = (bytes: Uint8Array) =>
      Effect.raceFirst(Effect.asVoid(Queue.offer(queue, bytes)), Deferred.await(ended))
    const sink: Input["sink"] = Sink.unwrap(
      Effect.sync(() => {
        if (stream !== "ignore" && !begun.isOpen()) {
          isFed = true
          begun.openUnsafe()
        }
        if (!isFed) return Sink.drain
        return Sink.forEach(give).pipe(
          Sink.mapEffect(() =>
            endOnDone || !isLive ? Effect.asVoid(Queue.end(queue)) : Effect.void,
          ),
        )
      }),
    )
    return {
      sink,
      given: Effect.map(begun.await, () => (isFed ? Stream.fromQueue(queue) : undefined)),
      // Yields once, for callers that provide the input at the same time.
      await: Effect.suspend(() =>
        begun.isOpen() ? Effect.void : Effect.andThen(Effect.yieldNow, begun.open),
      ),
      feed: isStream
        ? Stream.run(
            Stream.tapError(stream, (error) => Deferred.fail(failure, error)),
            sink,
          ).pipe(Effect.ignore)
        : Effect.void,
      failure,
    }
  })

/** One of the outputs as an option has it. */
export const outputOf = (
  option: ChildProcess.CommandOutput | undefined,
  outputs: Outputs,
  kind: "Stdout" | "Stderr",
): Bytes => {
  if (Sink.isSink(option)) return Stream.transduce(outputs.read(kind), option)
  return option === "ignore" || option === "inherit" ? Stream.empty : outputs.read(kind)
}
