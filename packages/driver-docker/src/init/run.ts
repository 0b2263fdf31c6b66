import { ExecEvent, type InvalidInput, type OutputEvent } from "@cordon/core"
import { type Array as Arr, Cause, Effect, type Pull, type Scope, Stream } from "effect"
import type { Piece } from "./Backlog.ts"
import type { Channel, Final } from "./Channel.ts"
import { type ConnectionError, NotStarted } from "./errors.ts"
import type { InitConnection } from "./InitConnection.ts"
import { type RunRequest, runRequest } from "./requests.ts"

/** How a command ended. */
export interface RunExit {
  readonly _tag: "Exit"
  /** The exit code; 128 plus the signal's number if a signal ended it; 137 if it was killed in any way. */
  readonly exitCode: number
  readonly timedOut: boolean
  /** Whether the kernel killed a process of the sandbox for want of memory meanwhile. */
  readonly oomKilled: boolean
  /** Whether it was told to end and its end was never reported. It may still be running. */
  readonly unanswered: boolean
}

/** An event of a running command: output in the order it arrived, then exactly one `Exit`. */
export type RunEvent = OutputEvent | RunExit

/** The errors of running a command. */
export type RunError = ConnectionError | InvalidInput | NotStarted

/** A command to run. */
export interface Command extends RunRequest {
  /** The standard input, closed after it. Default: empty. */
  readonly stdin?: Uint8Array | Stream.Stream<Uint8Array> | undefined
  /** Milliseconds after which the command is killed with all its descendants. Default: unlimited. */
  readonly timeout?: number | undefined
}

/** A command that was begun. */
export interface Running {
  /** Waits until it runs. @returns its process ID in the sandbox */
  readonly pid: Effect.Effect<number, RunError>
  /** Its output, then its end; for one consumer. */
  readonly events: Stream.Stream<RunEvent, RunError>
  /** Waits for its end. Output that is not consumed delays the end. */
  readonly exit: Effect.Effect<RunExit, RunError>
  /** Writes to its input, as fast as it reads. No effect after its end. */
  readonly write: (bytes: Uint8Array) => Effect.Effect<void>
  /** Closes its input. */
  readonly end: Effect.Effect<void>
  /** Sends a signal to its process group. */
  readonly signal: (number: number) => Effect.Effect<void>
  /** Kills it with all its descendants. */
  readonly kill: Effect.Effect<void>
  /** Sets the size of its terminal, in characters. */
  readonly resize: (size: {
    readonly rows: number
    readonly columns: number
  }) => Effect.Effect<void>
}

const killed = 137

/** A command's exit, from the end of its channel. */
export const exitOf = ({ ending, timedOut }: Final): Effect.Effect<RunExit, NotStarted> => {
  const exit = (exitCode: number, oomKilled: boolean): Effect.Effect<RunExit> =>
    Effect.succeed({
      _tag: "Exit",
      exitCode: timedOut ? killed : exitCode,
      timedOut,
      oomKilled,
      unanswered: ending === undefined,
    })
  if (ending === undefined) return exit(killed, false)
  const { how, value, stage, oomKilled } = ending
  if (how === "exited") return exit(value, oomKilled)
  if (how === "signalled") return exit(128 + value, oomKilled)
  return Effect.fail(new NotStarted({ stage, errno: value, refused: how === "refused" }))
}

/** Output as events of a command. */
export const outputEvents = (pieces: ReadonlyArray<Piece>): Array<OutputEvent> =>
  pieces.map(({ stream, bytes }) =>
    stream === 2 ? ExecEvent.Stderr({ bytes }) : ExecEvent.Stdout({ bytes }),
  )

/** The events of a channel: output converted by `read`, then the end converted by `ended`. */
export const eventsOf = <A, X, E>(
  channel: Channel,
  read: (pieces: ReadonlyArray<Piece>) => ReadonlyArray<A>,
  ended: (final: Final) => Effect.Effect<X, E>,
): Stream.Stream<A | X, ConnectionError | E> => {
  type Events = Pull.Pull<Arr.NonEmptyReadonlyArray<A | X>, ConnectionError | E>
  let over = false
  const pull: Events = Effect.suspend(() =>
    over
      ? Cause.done()
      : Effect.flatMap(channel.next, (next): Events => {
          // Only dialled connections report the end of their output separately.
          if (next === "output ended") return pull
          if ("timedOut" in next) {
            over = true
            return Effect.map(ended(next), (exit): [X] => [exit])
          }
          const [first, ...others] = read(next)
          return first === undefined ? pull : Effect.succeed([first, ...others])
        }),
  )
  return Stream.fromPull(Effect.succeed(pull))
}

/** Feeds all of a command's input to it. */
const feed = (channel: Channel, stdin: Uint8Array | Stream.Stream<Uint8Array>) => {
  const end = Effect.sync(() => channel.end())
  const bytes = stdin instanceof Uint8Array ? Stream.succeed(stdin) : stdin
  return Effect.andThen(
    Stream.runForEach(bytes, (piece) => channel.write(piece)),
    end,
  )
}

const begun = (channel: Channel): Running => ({
  pid: Effect.flatMap(channel.started, (started) =>
    "pid" in started ? Effect.succeed(started.pid) : Effect.as(exitOf(started), 0),
  ),
  events: eventsOf(channel, outputEvents, exitOf),
  exit: Effect.flatMap(channel.ended, exitOf),
  write: (bytes) => channel.write(bytes),
  end: Effect.sync(() => channel.end()),
  signal: (number) => Effect.sync(() => channel.signal(number)),
  kill: Effect.sync(() => channel.kill()),
  resize: ({ rows, columns }) => Effect.sync(() => channel.resize(rows, columns)),
})

/**
 * Starts a command whose caller handles input, signals and terminal; `stdin` is ignored. The end of
 * the scope kills it with all its descendants.
 */
export const start = (
  connection: InitConnection,
  command: Command,
): Effect.Effect<Running, ConnectionError | InvalidInput, Scope.Scope> =>
  Effect.map(connection.open(runRequest(command, true), options(command)), begun)

/**
 * Runs a command to its end. Ending the stream early kills it with all its descendants, and waits
 * for that at most two seconds.
 */
export const run = (
  connection: InitConnection,
  command: Command,
): Stream.Stream<RunEvent, RunError> => runTo(connection, command, exitOf)

/** Like {@link run}, but `ended` makes the last event. */
export const runTo = <X, E>(
  connection: InitConnection,
  command: Command,
  ended: (final: Final) => Effect.Effect<X, E>,
): Stream.Stream<OutputEvent | X, ConnectionError | InvalidInput | E> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const { stdin } = command
      const channel = yield* connection.open(
        runRequest(command, stdin !== undefined),
        options(command),
      )
      if (stdin !== undefined) {
        yield* Effect.forkScoped(feed(channel, stdin), { startImmediately: true })
      }
      return eventsOf(channel, outputEvents, ended)
    }),
  )

const options = ({ timeout }: Command) => ({ timeout })
