import {
  EngineError,
  type InvalidInput,
  type OutputEvent,
  ProcessNameTaken,
  ProcessNotFound,
} from "@cordon/core"
import { Cause, Effect, type Scope, type Stream } from "effect"
import type { Piece } from "./Backlog.ts"
import type { Final } from "./Channel.ts"
import { type KeptProcess, keptProcesses, type Usage, usages } from "./entries.ts"
import { errno } from "./errno.ts"
import { type ConnectionError, NotStarted, Unanswered } from "./errors.ts"
import type { InitConnection } from "./InitConnection.ts"
import { type Grammar, RecordParser } from "./RecordParser.ts"
import {
  attachRequest,
  forgetRequest,
  processesRequest,
  type Request,
  type RunRequest,
  runRequest,
  usageRequest,
} from "./requests.ts"
import { eventsOf, exitOf, outputEvents, type RunExit } from "./run.ts"

/** What beginning a process that is kept may fail with. */
export type KeepError = ConnectionError | InvalidInput | NotStarted | Unanswered | ProcessNameTaken

/** What using a process that is kept may fail with. */
export type KeptError = ConnectionError | InvalidInput | NotStarted | Unanswered | ProcessNotFound

/** What asking an init may fail with. */
export type QuestionError = ConnectionError | InvalidInput | NotStarted | Unanswered

/** Milliseconds that such a call may take. */
const timeout = 10_000
// Bytes of all records of an answer.
const mostRecords = 4 * 1024 * 1024

/** Fails unless the init did it. */
const requireDone = ({ ending, timedOut }: Final): Effect.Effect<void, NotStarted | Unanswered> => {
  if (ending === undefined || timedOut) return Effect.fail(new Unanswered({ timedOut }))
  const { how, stage, value } = ending
  return how === "exited" && value === 0
    ? Effect.void
    : Effect.fail(new NotStarted({ stage, errno: value, refused: how === "refused" }))
}

const isRefusal = (error: { readonly _tag: string }, number: number): boolean =>
  error instanceof NotStarted && error.refused && error.errno === number

const orNotFound =
  (process: string) =>
  <E extends { readonly _tag: string }>(error: E): E | ProcessNotFound =>
    isRefusal(error, errno.ENOENT) ? new ProcessNotFound({ process }) : error

/**
 * Begins a process that belongs to the sandbox and outlives the connection: its outputs are kept, and
 * it can be attached to. An interruption leaves no process.
 *
 * @param name at most 64 bytes; none that a process has which was not forgotten
 * @returns its process ID in the sandbox
 */
export const keep = (
  connection: InitConnection,
  name: string,
  request: RunRequest,
): Effect.Effect<number, KeepError> =>
  Effect.gen(function* () {
    const channel = yield* connection.open(runRequest(request, true, name), { timeout })
    // One that began just before the interruption.
    const undo = Effect.flatMap(Effect.exit(channel.ended), (ended) =>
      ended._tag === "Success" && ended.value.ending?.how === "exited"
        ? Effect.ignore(forget(connection, name))
        : Effect.void,
    )
    yield* Effect.addFinalizer((exit) =>
      exit._tag === "Failure" && Cause.hasInterrupts(exit.cause)
        ? Effect.andThen(channel.leave, undo)
        : Effect.void,
    )
    yield* Effect.flatMap(channel.ended, requireDone)
    const started = yield* channel.started
    return "pid" in started ? started.pid : 0
  }).pipe(
    Effect.scoped,
    Effect.mapError((error) =>
      isRefusal(error, errno.EEXIST) ? new ProcessNameTaken({ process: name }) : error,
    ),
  )

/** Asks what needs no process inside to answer, for records. */
const ask = <A>(
  connection: InitConnection,
  request: Request,
  grammar: (emit: (record: A) => void) => Grammar<void>,
): Effect.Effect<ReadonlyArray<A>, QuestionError> =>
  Effect.gen(function* () {
    const channel = yield* connection.open(request, {
      window: mostRecords,
      limit: mostRecords,
      timeout,
    })
    const parser = new RecordParser(grammar)
    const found: Array<A> = []
    for (;;) {
      const next = yield* channel.next
      if (next === "output ended") continue
      if ("timedOut" in next) {
        yield* requireDone(next)
        return parser.complete ? found : yield* malformed("its answer ends within a record")
      }
      for (const { bytes } of next) {
        found.push(
          ...(yield* Effect.try({ try: () => parser.push(bytes), catch: String }).pipe(
            Effect.catch(malformed),
          )),
        )
      }
    }
  }).pipe(Effect.scoped)

const malformed = (detail: string) =>
  Effect.fail(new EngineError({ operation: "ask a sandbox's init", status: 0, detail, ours: true }))

/** All processes that are kept, running or not. */
export const list = (
  connection: InitConnection,
): Effect.Effect<ReadonlyArray<KeptProcess>, QuestionError> =>
  ask(connection, processesRequest, keptProcesses)

/** How other connections than this one use the sandbox: asking is no use. */
export const usage = (connection: InitConnection): Effect.Effect<Usage, QuestionError> =>
  Effect.flatMap(ask(connection, usageRequest, usages), ([found, ...others]) =>
    found !== undefined && others.length === 0
      ? Effect.succeed(found)
      : malformed("it did not tell how it is used"),
  )

/**
 * Ends a kept process with all that it started, and frees its name and its log.
 *
 * @param options `keepLog` leaves both, so that what it wrote and how it ended can still be read
 */
export const forget = (
  connection: InitConnection,
  name: string,
  options: { readonly keepLog?: boolean } = {},
): Effect.Effect<void, KeptError> =>
  Effect.gen(function* () {
    const request = forgetRequest(name, options.keepLog === true)
    const channel = yield* connection.open(request, { timeout })
    yield* Effect.flatMap(channel.ended, requireDone)
  }).pipe(Effect.scoped, Effect.mapError(orNotFound(name)))

/** What follows of a kept process's output starts at this byte of all that it wrote. */
export interface LogPosition {
  readonly _tag: "Position"
  readonly bytes: number
}

/** What a kept process yields to who follows it; its `Exit` is the last. */
export type LogEvent = LogPosition | OutputEvent | RunExit

/** A kept process that is followed. */
export interface Attached {
  /**
   * What it puts out, with its place before it and wherever output was lost to a slow reader; then its
   * end. For one consumer.
   */
  readonly events: Stream.Stream<LogEvent, KeptError>
  /** Writes to its input, as fast as it reads; has no effect once it has ended. */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void>
  /** Closes its input, for all that are attached. */
  readonly end: Effect.Effect<void>
  /** Sends a signal to its process group. */
  readonly signal: (number: number) => Effect.Effect<void>
}

const logEvents = (pieces: ReadonlyArray<Piece>): Array<LogEvent> =>
  pieces.flatMap((piece): ReadonlyArray<LogEvent> => {
    if (piece.stream !== 0) return outputEvents([piece])
    return [{ _tag: "Position", bytes: Number(Buffer.from(piece.bytes).readBigUInt64LE()) }]
  })

/**
 * Follows a kept process. The scope's end stops that and leaves the process alone.
 *
 * @param position byte of all that it wrote from which on its output is wanted: 0, the default, for
 * all that is kept of it
 */
export const attach = (
  connection: InitConnection,
  name: string,
  position: number = 0,
): Effect.Effect<Attached, ConnectionError | InvalidInput, Scope.Scope> =>
  Effect.map(connection.open(attachRequest(name, position), { kind: "log" }), (channel) => ({
    events: eventsOf(channel, logEvents, (final) =>
      Effect.mapError(exitOf(final), orNotFound(name)),
    ),
    write: (bytes: Uint8Array) => channel.write(bytes),
    end: Effect.sync(() => channel.end()),
    signal: (number: number) => Effect.sync(() => channel.signal(number)),
  }))
