import type { ExecEvent, OutputEvent, Sandbox } from "@cordon/core"
import {
  Deferred,
  Duration,
  Effect,
  Exit,
  type PlatformError,
  type Scope,
  Sink,
  Stream,
} from "effect"
import { type ChildProcess, ChildProcessSpawner } from "effect/process"
import { badArgument, systemError } from "./failure.ts"
import { type Input, inputConfig, makeInput, outputOf } from "./input.ts"
import { makeKill } from "./kill.ts"
import {
  greeting,
  type Launch,
  launchOf,
  lookFor,
  plain,
  readGreeting,
  startError,
} from "./launch.ts"
import { Outputs } from "./outputs.ts"
import { absolute } from "./path.ts"

type Failure = PlatformError.PlatformError
type Handle = ChildProcessSpawner.ChildProcessHandle

const outputConfig = (option: ChildProcess.CommandOptions["stdout" | "stderr"]) =>
  option === undefined || typeof option === "string" || Sink.isSink(option) ? option : option.stream

/** Writes to an output of this program, and waits until that has taken it. */
const copyTo = (launch: Launch, { _tag, bytes }: OutputEvent) =>
  Effect.callback<void, Failure>((resume) => {
    const output = _tag === "Stdout" ? process.stdout : process.stderr
    output.write(bytes, (error) => {
      const place = { ...launch.place, method: _tag.toLowerCase() }
      resume(error ? Effect.fail(systemError(place, "Unknown", error.message, error)) : Effect.void)
    })
  })

/** The first line of standard error, and what comes after it. */
const makeGreeting = () => {
  let text = ""
  let isOver = false
  return {
    take: (bytes: Uint8Array): { readonly line?: string; readonly rest: Uint8Array } => {
      if (isOver) return { rest: bytes }
      const at = bytes.indexOf(10)
      text += Buffer.from(bytes.subarray(0, at === -1 ? 100 : at)).toString("latin1")
      isOver = at !== -1 || text.length > 100
      return isOver
        ? { line: text, rest: bytes.subarray(at + 1) }
        : { rest: bytes.subarray(bytes.length) }
    },
  }
}

/** A command that is run, with what comes of it. */
const follow = (
  launch: Launch,
  options: ChildProcess.CommandOptions,
  events: Stream.Stream<ExecEvent, Failure>,
  isLive: boolean,
) => {
  const outputs = new Outputs()
  const exit = Deferred.makeUnsafe<number, Failure>()
  const started = Deferred.makeUnsafe<number, Failure>()
  const greeted = makeGreeting()
  // The exit code of a command whose end is not reported.
  let code = 137

  const deliver = (event: OutputEvent): Effect.Effect<void, Failure> => {
    const option = outputConfig(event._tag === "Stdout" ? options.stdout : options.stderr)
    if (event.bytes.length === 0 || option === "ignore") return Effect.void
    return option === "inherit" ? copyTo(launch, event) : outputs.push(event)
  }
  const take = (event: ExecEvent): Effect.Effect<void, Failure> => {
    if (event._tag === "Exit") {
      code = event.exitCode
      return Effect.void
    }
    if (event._tag === "Stdout" || !isLive) return deliver(event)
    const { line, rest } = greeted.take(event.bytes)
    if (line === undefined) return deliver({ ...event, bytes: rest })
    return Effect.andThen(
      Deferred.complete(started, readGreeting(launch, line)),
      deliver({ ...event, bytes: rest }),
    )
  }
  const settle = (end: Exit.Exit<number, Failure>) =>
    Effect.gen(function* () {
      yield* Deferred.done(exit, end)
      yield* Deferred.complete(
        started,
        Exit.isFailure(end)
          ? Effect.as(end, 0)
          : Effect.fail(systemError(launch.place, "Unknown", "it ended before it began")),
      )
      outputs.end(Exit.asVoid(end))
    })
  const run = Stream.runForEach(events, take).pipe(
    Effect.tapError((error) => settle(Exit.fail(error))),
    Effect.onExit(() => settle(Exit.succeed(code))),
    Effect.ignore,
  )
  return { outputs, exit, started, run }
}

/** Process IDs for sandboxes without real processes. */
let commands = 0

/** Starts a command. Its input may be another command's output. */
export const startCommand = (
  sandbox: Sandbox,
  isLive: boolean,
  command: ChildProcess.StandardCommand,
): Effect.Effect<Handle, Failure, Scope.Scope> =>
  Effect.gen(function* () {
    const { options } = command
    const checked = yield* launchOf(command)
    const launch: Launch =
      checked.cwd === undefined
        ? checked
        : { ...checked, cwd: absolute(sandbox.info.workdir, checked.cwd) }
    const { place, env, cwd } = launch
    const config = inputConfig(options.stdin)
    if (config.stream === "inherit") {
      return yield* Effect.fail(
        badArgument(place, "A sandbox's commands have no share in this program's standard input"),
      )
    }
    if (!isLive) yield* lookFor(sandbox, launch)

    const ended = yield* Deferred.make<void>()
    const input = yield* makeInput(config, isLive, ended)
    const events = Stream.unwrap(
      Effect.map(input.given, (stdin) =>
        sandbox
          .execStream(isLive ? greeting(launch) : plain(launch), {
            env,
            cwd,
            stdin,
            // It lives as long as its scope.
            timeout: Duration.infinity,
          })
          .pipe(Stream.mapError(startError(launch))),
      ),
    )
    const { outputs, exit, started, run } = follow(launch, options, events, isLive)
    const fiber = yield* Effect.forkScoped(
      Effect.ensuring(run, Deferred.succeed(ended, undefined)),
      // If interrupted before its start, it would not report its end.
      { startImmediately: true },
    )
    yield* Effect.forkScoped(input.feed)

    const pid = isLive ? yield* startedIn(launch, started) : ++commands
    const isRunning = Effect.map(Deferred.isDone(exit), (done) => !done)

    const kill = makeKill({ sandbox, place, pid, isLive, isRunning, exit, outputs, fiber })
    yield* Effect.addFinalizer(() => {
      const { killSignal, forceKillAfter = "5 seconds" } = options
      return Effect.ignore(kill({ killSignal, forceKillAfter }))
    })

    return handleOf(launch, options, { pid, exit, isRunning, kill, input, outputs })
  })

const startedIn = (launch: Launch, started: Deferred.Deferred<number, Failure>) =>
  Deferred.await(started).pipe(
    Effect.timeoutOption("30 seconds"),
    Effect.flatMap((pid) =>
      pid._tag === "Some"
        ? Effect.succeed(pid.value)
        : Effect.fail(systemError(launch.place, "TimedOut", "the command has not begun in time")),
    ),
  )

/** The port's handle of a started command. */
const handleOf = (
  { place }: Launch,
  options: ChildProcess.CommandOptions,
  {
    pid,
    exit,
    isRunning,
    kill,
    input,
    outputs,
  }: Pick<Handle, "isRunning" | "kill"> & {
    readonly pid: number
    readonly exit: Deferred.Deferred<number, Failure>
    readonly input: Input
    readonly outputs: Outputs
  },
): Handle => {
  const [out, error] = [outputConfig(options.stdout), outputConfig(options.stderr)]
  const asked = <A>(stream: Stream.Stream<A, Failure>) =>
    Stream.unwrap(Effect.as(input.await, stream))
  const stdout = asked(outputOf(out, outputs, "Stdout"))
  const stderr = asked(outputOf(error, outputs, "Stderr"))
  const ended = Effect.raceFirst(Deferred.await(exit), Deferred.await(input.failure))
  return ChildProcessSpawner.makeHandle({
    pid: ChildProcessSpawner.ProcessId(pid),
    exitCode: Effect.andThen(input.await, Effect.map(ended, ChildProcessSpawner.ExitCode)),
    isRunning,
    kill,
    stdin: input.sink,
    stdout,
    stderr,
    all:
      Sink.isSink(out) || Sink.isSink(error)
        ? Stream.merge(stdout, stderr)
        : asked(outputs.read("Stdout", "Stderr")),
    getInputFd: () => Sink.drain,
    getOutputFd: () => Stream.empty,
    unref: Effect.fail(
      badArgument(
        { ...place, method: "unref" },
        "A command ends with its scope; start a background process of the sandbox to have one that goes on",
      ),
    ),
  })
}
