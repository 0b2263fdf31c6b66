import {
  AlreadyExists,
  DirectoryNotEmpty,
  type FileError,
  FileNotFound,
  type InvalidInput,
  InvalidPath,
  NotADirectory,
  NotAFile,
  PermissionDenied,
  StorageFailed,
} from "@cordon/core"
import { type Array as Arr, Cause, Effect, type Pull, Stream } from "effect"
import type { Channel, ChannelOptions, Final } from "./Channel.ts"
import { errno, reasonOf } from "./errno.ts"
import { type ConnectionError, Unanswered } from "./errors.ts"
import type { InitConnection } from "./InitConnection.ts"
import { type Grammar, MalformedRecord, RecordParser } from "./RecordParser.ts"
import { fileRequest } from "./requests.ts"

/** Encodes a boolean argument of an operation. */
export const flag = (is: boolean | undefined): string => (is === true ? "1" : "")

/** The sandbox and the user of a file operation. */
export interface Actor {
  readonly connection: InitConnection
  /** A name, a number, or either with `:group`; root where absent. */
  readonly user?: string | undefined
  /**
   * Milliseconds that an operation without a stream may take in total, and one with a stream may
   * take between two pieces. Default: 60,000.
   */
  readonly patience?: number
}

/** The errors of a file operation. */
export type OperationError =
  | ConnectionError
  | FileError
  | AlreadyExists
  | DirectoryNotEmpty
  | InvalidInput
  | Unanswered

export const patienceOf = ({ patience = 60_000 }: Actor): number => patience

/** The error for the caller, from an operation's error number. */
const failure = (path: string, number: number): OperationError => {
  switch (number) {
    case errno.ENOENT:
      return new FileNotFound({ path })
    case errno.EPERM:
    case errno.EACCES:
    case errno.EROFS:
      return new PermissionDenied({ path })
    case errno.EEXIST:
      return new AlreadyExists({ path })
    case errno.ENOTEMPTY:
      return new DirectoryNotEmpty({ path })
    case errno.EISDIR:
      return new NotAFile({ path, kind: "directory" })
    case errno.ENOTDIR:
      return new NotADirectory({ path })
    case errno.ENXIO:
      return new NotAFile({ path, kind: "special file" })
    case errno.ELOOP:
      return new InvalidPath({ path, reason: "its symlinks form a loop" })
    case errno.ENAMETOOLONG:
      return new InvalidPath({ path, reason: "it is too long" })
    default:
      return new StorageFailed({ path, reason: reasonOf(number) })
  }
}

/** Fails unless the operation was successful. */
export const requireDone = (
  path: string,
  { ending, timedOut }: Final,
): Effect.Effect<void, OperationError> => {
  if (ending === undefined) return Effect.fail(new Unanswered({ timedOut }))
  if (timedOut) {
    return Effect.fail(new StorageFailed({ path, reason: "it was not done in time" }))
  }
  if (ending.how === "exited" && ending.value === 0) return Effect.void
  if (ending.how === "signalled") {
    return Effect.fail(new StorageFailed({ path, reason: "the operation was killed" }))
  }
  if (ending.stage === "user") {
    return Effect.fail(new StorageFailed({ path, reason: "the sandbox has no such user" }))
  }
  return Effect.fail(failure(path, ending.value))
}

/** Opens the channel of an operation. */
export const openOperation = (
  actor: Actor,
  operation: ReadonlyArray<string>,
  options: ChannelOptions,
) => actor.connection.open(fileRequest(actor.user ?? "", operation), options)

/**
 * Runs an operation that has neither input nor output.
 *
 * @param operation its name and its arguments, of which the first is the path that errors name
 */
export const perform = (
  actor: Actor,
  operation: readonly [name: string, path: string, ...ReadonlyArray<string>],
): Effect.Effect<void, OperationError> =>
  Effect.gen(function* () {
    const channel = yield* openOperation(actor, operation, {
      timeout: patienceOf(actor),
      limit: 0,
    })
    yield* requireDone(operation[1], yield* channel.ended)
  }).pipe(Effect.scoped)

/** How the output of an operation is read. */
export interface RecordOptions extends ChannelOptions {
  /**
   * The error for a failure whose output explains it. Absent if the output of a failed operation is
   * no explanation.
   */
  readonly explained?: (errno: number, output: string) => OperationError | undefined
}

// The most bytes of an explanation.
const longestExplanation = 4096

/**
 * The output of an operation as records.
 *
 * @param grammar the grammar of the output; other output fails the stream with `StorageFailed`
 * @param options the default of `patience` between two pieces is the actor's
 */
export const recordsOf = <A>(
  actor: Actor,
  operation: readonly [name: string, path: string, ...ReadonlyArray<string>],
  grammar: (emit: (record: A) => void) => Grammar<void>,
  { explained, ...options }: RecordOptions = { patience: patienceOf(actor) },
): Stream.Stream<A, OperationError> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const channel = yield* openOperation(actor, operation, options)
      return Stream.fromPull(
        Effect.succeed(new Records(channel, operation[1], grammar, explained).pull),
      )
    }),
  )

type Pulled<A> = Pull.Pull<Arr.NonEmptyReadonlyArray<A>, OperationError>

class Records<A> {
  readonly #channel: Channel
  readonly #path: string
  readonly #parser: RecordParser<A>
  readonly #explained: RecordOptions["explained"]
  /** The error for invalid output, and the first bytes of the output. */
  #misread: StorageFailed | undefined
  #said = ""

  constructor(
    channel: Channel,
    path: string,
    grammar: (emit: (record: A) => void) => Grammar<void>,
    explained: RecordOptions["explained"],
  ) {
    this.#channel = channel
    this.#path = path
    this.#parser = new RecordParser(grammar)
    this.#explained = explained
  }

  readonly pull: Pulled<A> = Effect.suspend(() =>
    Effect.flatMap(this.#channel.next, (next): Pulled<A> => {
      if (next === "output ended") return this.pull
      if ("timedOut" in next) return this.#end(next)
      const [first, ...others] = next.flatMap(({ bytes }) => this.#parse(bytes))
      if (first !== undefined) return Effect.succeed([first, ...others])
      return this.#misread !== undefined && this.#said.length >= longestExplanation
        ? Effect.fail(this.#misread)
        : this.pull
    }),
  )

  #parse(bytes: Uint8Array): ReadonlyArray<A> {
    if (this.#misread === undefined) {
      try {
        return this.#parser.push(bytes)
      } catch (cause) {
        if (!(cause instanceof MalformedRecord)) throw cause
        this.#misread = this.#nonsense(cause.message)
      }
    }
    // The operation may fail, and these bytes may be the reason.
    this.#said += Buffer.from(bytes.subarray(0, longestExplanation - this.#said.length)).toString()
    return []
  }

  #end(final: Final): Pulled<A> {
    const { ending } = final
    const explanation =
      ending?.how === "exited" ? this.#explained?.(ending.value, this.#said) : undefined
    if (explanation !== undefined) return Effect.fail(explanation)
    return Effect.flatMap(requireDone(this.#path, final), (): Pulled<A> => {
      if (this.#misread !== undefined) return Effect.fail(this.#misread)
      return this.#parser.complete
        ? Cause.done()
        : Effect.fail(this.#nonsense("an end within a record"))
    })
  }

  #nonsense(what: string): StorageFailed {
    return new StorageFailed({ path: this.#path, reason: `the sandbox sent ${what}` })
  }
}
