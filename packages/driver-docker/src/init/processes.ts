import {
  type AttachedProcess,
  EngineError,
  type InvalidInput,
  ProcessEvent,
  ProcessNameTaken,
  ProcessNotFound,
} from "@cordon/core"
import { Cause, Effect, type Scope } from "effect"
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
  type Keeping,
  processesRequest,
  type Request,
  type RunRequest,
  runRequest,
  usageRequest,
} from "./requests.ts"
import { eventsOf, exitOf, outputEvents } from "./run.ts"

/** The errors of starting a kept process. */
export type KeepError = ConnectionError | InvalidInput | NotStarted | Unanswered | ProcessNameTaken

/** The errors of using a kept process. */
export type KeptError = ConnectionError | InvalidInput | NotStarted | Unanswered | ProcessNotFound

/** The errors of a query to an init. */
export type QuestionError = ConnectionError | InvalidInput | NotStarted | Unanswered

/** Milliseconds that such a call may take. */
const timeout = 10_000
// The most bytes of all records of an answer.
const mostRecords = 4 * 1024 * 1024

/** Fails unless the init carried out the request. */
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
 * Starts a kept process: it belongs to the sandbox and outlives the connection, its output is kept,
 * and callers can attach to it. An interruption leaves no process.
 *
 * @param keeping its name, of at most 64 bytes; no running process may have the same name
 * @param input whether it has an input, for callers that attach
 */
export const keep = (
  connection: InitConnection,
  keeping: Keeping,
  request: RunRequest,
  input: boolean,
): Effect.Effect<void, KeepError> =>
  Effect.gen(function* () {
    const { name } = keeping
    const channel = yield* connection.open(runRequest(request, input, keeping), { timeout })
    // Ends a process that started just before the interruption.
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
  }).pipe(
    Effect.scoped,
    Effect.mapError((error) =>
      isRefusal(error, errno.EEXIST) ? new ProcessNameTaken({ process: keeping.name }) : error,
    ),
  )

/** Asks a question that the init answers itself, without a process. The answer is records. */
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
  Effect.fail(EngineError.notDone("ask a sandbox's init", detail))

/** All kept processes, running or not. */
export const list = (
  connection: InitConnection,
): Effect.Effect<ReadonlyArray<KeptProcess>, QuestionError> =>
  ask(connection, processesRequest, keptProcesses)

/** How other connections use the sandbox. This query itself does not count as a use. */
export const usage = (connection: InitConnection): Effect.Effect<Usage, QuestionError> =>
  Effect.flatMap(ask(connection, usageRequest, usages), ([found, ...others]) =>
    found !== undefined && others.length === 0
      ? Effect.succeed(found)
      : malformed("it did not tell how it is used"),
  )

/** How a kept process is ended. */
export interface Forgetting {
  /** Whether its name and its log stay, so that its output and its exit can still be read. */
  readonly keepLog?: boolean
  /** Milliseconds between SIGTERM to its process group and SIGKILL. Default: 0. */
  readonly grace?: number
}

/** Ends a kept process with all its descendants, and frees its name and its log. */
export const forget = (
  connection: InitConnection,
  name: string,
  { keepLog = false, grace = 0 }: Forgetting = {},
): Effect.Effect<void, KeptError> =>
  Effect.gen(function* () {
    const request = forgetRequest(name, keepLog, grace)
    const channel = yield* connection.open(request, { timeout: timeout + grace })
    yield* Effect.flatMap(channel.ended, requireDone)
  }).pipe(Effect.scoped, Effect.mapError(orNotFound(name)))

const logEvents = (pieces: ReadonlyArray<Piece>): Array<ProcessEvent> =>
  pieces.flatMap((piece): ReadonlyArray<ProcessEvent> => {
    if (piece.stream !== 0) return outputEvents([piece])
    return [ProcessEvent.Lost({ bytes: Number(Buffer.from(piece.bytes).readBigUInt64LE()) })]
  })

/**
 * Attaches to a kept process. The end of the scope detaches and leaves the process alone.
 *
 * @param position the first wanted byte of its output. Default: 0. Output that is no longer kept is
 * reported as lost
 */
export const attach = Effect.fnUntraced(function* (
  connection: InitConnection,
  name: string,
  position: number = 0,
): Effect.fn.Return<AttachedProcess<KeptError>, KeptError, Scope.Scope> {
  const exit = (final: Final) =>
    Effect.map(exitOf(final), ({ exitCode }) => ProcessEvent.Exit({ exitCode }))
  const channel = yield* connection.open(attachRequest(name, position), { kind: "log", position })
  const started = yield* channel.started
  if (!("pid" in started)) {
    return yield* Effect.mapError(
      Effect.andThen(requireDone(started), Effect.fail(new Unanswered({ timedOut: false }))),
      orNotFound(name),
    )
  }
  return {
    takesInput: started.takesInput,
    events: eventsOf(channel, logEvents, exit),
    write: (bytes) => Effect.andThen(channel.write(bytes), channel.drained),
    end: Effect.sync(() => channel.end()),
    signal: (number) => Effect.sync(() => channel.signal(number)),
  }
})
