import { randomBytes } from "node:crypto"
import {
  EngineError,
  EngineUnreachable,
  type ExecError,
  ExecEvent,
  type ExecRequest,
  type HostError,
  type SandboxId,
  SandboxNotFound,
  SandboxNotRunning,
} from "@cordon/core"
import {
  Array as Arr,
  Cause,
  Deferred,
  Duration,
  Effect,
  type Pull,
  Queue,
  Schedule,
  Scope,
  Stream,
} from "effect"
import type { Channels, Seat } from "../channel/Channels.ts"
import { MarkerScanner } from "../channel/MarkerScanner.ts"
import { peek } from "../channel/peek.ts"
import type { Outcome } from "../channel/Round.ts"
import { mostInlineStdin, sign } from "../channel/script.ts"
import type { DockerEngine } from "../DockerEngine.ts"
import { FrameParser, type OutputEvent } from "../engine/frames.ts"
import { isStartFailure } from "../engine/podman.ts"
import type { ExecInspect } from "../engine/schemas.ts"
import {
  judgePreparation,
  judgeStartFailure,
  mayBeFailure,
  requireUserNumbers,
} from "../engine/startFailures.ts"
import type { EventHub } from "./events.ts"
import type { Languages } from "./language.ts"
import { later } from "./later.ts"
import { killLater, withDeadline } from "./patience.ts"
import { argvOf, killScript, marker, oomScript, readOnScript } from "./scripts.ts"
import { requireEnded } from "./vanished.ts"

type Engine = DockerEngine["Service"]
type Output = Arr.NonEmptyReadonlyArray<ExecEvent>
type Emit = (events: ReadonlyArray<OutputEvent>) => Effect.Effect<void>

/** A command as drivers of Docker sandboxes run it. */
export interface Command extends ExecRequest {
  /** One of our own scripts, `/bin/sh -c script sh ...`; its input comes as `content` or as stdin. */
  readonly helper?: boolean
  /** All of a helper's input. */
  readonly content?: Uint8Array
  /** The only one of its kind: not worth a channel. */
  readonly once?: boolean
}

/** A container that was seen to be the sandbox. */
export interface Target {
  readonly id: SandboxId
  readonly instanceId: string
  /** Whom and where commands run that say nothing else; the container's own where absent. */
  readonly user?: string
  readonly cwd?: string
}

// After the command's end its background children may still hold the output open. What the command
// itself wrote arrives within this silence (an engine that is short of CPU was seen to need more than
// a third of a second) and a question's way to the engine and back (which is long where the engine
// is far), and is no more than pipes, sockets and proxies can hold.
const silence = Duration.seconds(2)
const mostAfterExit = 64 * 1024 * 1024

// What gVisor says on a command's stderr when a limit ended the sandbox, command and all.
const lossPattern =
  /^waiting on pid \d+: waiting on PID \d+ in sandbox "[0-9a-f]+": urpc method "[\w.]+" failed: EOF\n$/
const tellsLoss = (event: OutputEvent) =>
  event._tag === "Stderr" &&
  event.bytes.length < 400 &&
  lossPattern.test(Buffer.from(event.bytes).toString())
// How it ends when its own kernel could not go on; whoever stops a sandbox leaves another code.
const gvisorCrash = 2

const justNow = Schedule.max([Schedule.spaced("100 millis"), Schedule.recurs(20)])
const soon = Schedule.min([Schedule.exponential("4 millis"), Schedule.spaced("500 millis")])

/** Looks until it is so, at most `times` more, 25 ms apart. */
const seen = (look: () => boolean, times: number) =>
  Effect.sync(look).pipe(
    Effect.repeat({
      schedule: Schedule.max([Schedule.spaced("25 millis"), Schedule.recurs(times)]),
      until: (is) => is,
    }),
  )

/**
 * Runs commands in containers: the whole of what `exec` promises, over an engine's few calls.
 *
 * @param languages what a program that the engine starts is told of the image's language
 * @param reset ends all processes of a container whose processes can't be reached one by one, and
 * keeps its files; the container is started anew where absent
 * @param channels run what they can without the engine's help; the engine starts each command
 * where absent
 * @param podman whether the engine is one, and tells neither whether a command that has ended was
 * ever started nor what the kernel killed for the memory limit
 */
export const makeExec = (
  engine: Engine,
  hub: EventHub,
  languages: Languages,
  reset?: (target: Target) => Effect.Effect<void, HostError>,
  channels?: Channels,
  podman: Effect.Effect<boolean, HostError> = Effect.succeed(false),
) => {
  const refuse = (target: Target) => (error: HostError) => {
    if (error._tag !== "EngineError") return error
    if (error.status === 404) return new SandboxNotFound({ sandbox: target.id })
    if (error.status === 409) {
      const status = /paused/i.test(error.detail) ? "paused" : "stopped"
      return new SandboxNotRunning({ sandbox: target.id, status })
    }
    return error
  }

  /** Starts a container anew, which ends all its processes and keeps its files. */
  const restart = Effect.fn("restartContainer")(function* (target: Target) {
    yield* Effect.logWarning("Restarting a sandbox whose processes can't be reached", {
      sandbox: target.id,
    })
    if (reset !== undefined) return yield* reset(target)
    yield* Effect.ignore(engine.containerKill(target.instanceId))
    yield* engine.containerInspect(target.instanceId).pipe(
      Effect.repeat({
        schedule: Schedule.max([Schedule.spaced("50 millis"), Schedule.recurs(200)]),
        while: ({ State }) => State.Running,
      }),
    )
    yield* engine.containerStart(target.instanceId).pipe(
      Effect.catchIf(
        (error) => error._tag === "EngineError" && error.status === 304,
        () => Effect.void,
      ),
    )
  })

  const awaitExit = (execId: string, schedule: Schedule.Schedule<unknown>) =>
    engine
      .execInspect(execId)
      .pipe(Effect.repeat({ schedule, while: (state: ExecInspect) => state.Running }))

  /**
   * Asks each second whether a command has ended, and says so by an effect; by another one that the
   * engine has gone silent. An attachment tells of neither where the engine is gone without a word.
   */
  const watch = (
    execId: string,
    onEnd: Effect.Effect<unknown>,
    onSilence: (error: HostError) => Effect.Effect<unknown>,
  ) =>
    later(
      "1 second",
      // Hardly a command runs for as long: nothing is put together for the others.
      Effect.suspend(() =>
        engine.execInspect(execId).pipe(
          Effect.timeoutOrElse({
            duration: "5 seconds",
            orElse: () =>
              Effect.fail(
                new EngineUnreachable({
                  endpoint: engine.endpoint,
                  reason: "it went silent while a command ran, which may still be running",
                }),
              ),
          }),
          // A passing interruption loses nothing: the output has a connection of its own.
          Effect.retry({
            schedule: Schedule.max([Schedule.spaced("1 second"), Schedule.recurs(2)]),
            while: ({ _tag }) => _tag === "EngineUnreachable",
          }),
          Effect.repeat({ schedule: Schedule.spaced("1 second"), while: ({ Running }) => Running }),
          // An engine that no longer knows it: the container is gone.
          Effect.catchIf(
            (error) => error._tag === "EngineError" && error.status === 404,
            () => Effect.void,
          ),
          Effect.matchEffect({ onSuccess: () => onEnd, onFailure: onSilence }),
        ),
      ),
    )

  /** Fails where the engine has forgotten a command that may still be running. */
  const requireKnown = (target: Target, execId: string, deathsBefore: number) =>
    engine.execInspect(execId).pipe(
      Effect.asVoid,
      Effect.catchIf(
        (error) => error._tag === "EngineError" && error.status === 404,
        () => requireEnded(engine, hub, target, deathsBefore),
      ),
      Effect.mapError((error) =>
        error._tag === "SandboxNotFound" ? error : refuse(target)(error),
      ),
    )

  /** Runs the script that kills a command; false where that could not be done. */
  const runKiller = Effect.fnUntraced(function* (
    target: Target,
    token: string,
    user: string | undefined,
  ) {
    const execId = yield* engine.execCreate(target.instanceId, {
      Cmd: ["/bin/sh", "-c", killScript, "sh", token],
      Env: [],
      WorkingDir: "/",
      ...(user === undefined ? {} : { User: user }),
      AttachStdin: false,
      AttachStdout: true,
      AttachStderr: true,
      Tty: false,
    })
    const connection = yield* engine.execStart(execId)
    yield* Stream.runDrain(connection.output)
    const state = yield* awaitExit(execId, soon)
    return state.ExitCode === 0
  }, Effect.scoped)

  const endsSoon = (target: Target) =>
    engine.containerInspect(target.instanceId).pipe(
      Effect.map(({ State }) => !State.Running),
      Effect.catchIf(
        (error) => error._tag === "EngineError" && error.status === 404,
        () => Effect.succeed(true),
      ),
      Effect.repeat({
        schedule: Schedule.max([Schedule.spaced("100 millis"), Schedule.recurs(10)]),
        until: (ended) => ended,
      }),
    )

  /**
   * Kills all processes of a command. Where they can't be reached one by one (no process slot is
   * free for the killer), the container is started anew.
   *
   * @returns whether the container was started anew
   */
  const terminate = Effect.fn("terminateCommand")(function* (
    target: Target,
    token: string,
    user: string | undefined,
  ) {
    const attempt = (as: string | undefined) =>
      runKiller(target, token, as).pipe(
        Effect.timeoutOption("10 seconds"),
        Effect.map((done) => done._tag === "Some" && done.value),
        // A user that the sandbox no longer has: an engine that looks for it refuses to prepare this.
        Effect.catchIf(
          (error) => error._tag === "EngineError" && error.status === 400,
          () => Effect.succeed(false),
        ),
      )
    const killed = yield* attempt(user).pipe(
      Effect.flatMap((done) => (done ? Effect.succeed(true) : attempt("0"))),
      // A container that is gone or stopped has no processes.
      Effect.catchIf(
        (error) => error._tag === "EngineError" && (error.status === 404 || error.status === 409),
        () => Effect.succeed(true),
      ),
      Effect.orElseSucceed(() => false),
    )
    // One that is just ending takes the killer along.
    if (killed || (yield* endsSoon(target))) return false
    yield* restart(target)
    return true
  })

  /** Tells of the sandbox's end where the command's came with it. */
  const endOf = Effect.fnUntraced(function* (
    target: Target,
    state: {
      readonly exitCode: number
      readonly timedOut: boolean
      readonly restarted: boolean
      /** The sandbox ended under it. */
      readonly isLost: boolean
      readonly oomsBefore: number
      /** Whether the sandbox may have ended with it. */
      readonly look: boolean
    },
  ) {
    const { exitCode, timedOut, isLost, oomsBefore, look } = state
    let { restarted } = state
    if (exitCode === 0 && !isLost && !look) {
      return ExecEvent.Exit({
        exitCode: timedOut ? 137 : 0,
        timedOut,
        restarted,
        oomKilled: false,
      })
    }
    const container = yield* engine
      .containerInspect(target.instanceId)
      .pipe(Effect.mapError(refuse(target)), Effect.when(Effect.succeed(isLost || look)))
    const ended = container._tag === "Some" && !container.value.State.Running
    const struck = yield* sawOom(target, oomsBefore, isLost || exitCode === 137)
    const oomKilled =
      exitCode !== 0 && (struck || (ended && container.value.State.OOMKilled === true))
    const crashed = ended && container.value.State.ExitCode === gvisorCrash
    if (ended && (struck || crashed) && reset === undefined) {
      // Nobody asked for its end: it goes on without what went past its limit.
      yield* engine.containerStart(target.instanceId).pipe(Effect.mapError(refuse(target)))
      restarted = true
    }
    return ExecEvent.Exit({
      exitCode: timedOut || isLost ? 137 : exitCode,
      timedOut,
      restarted: restarted || isLost,
      oomKilled: oomKilled && !timedOut,
    })
  })

  /**
   * Runs a command on a lane of the sandbox's channel, and the way that the engine does where the
   * shell there could not begin it.
   */
  const onLane = Effect.fnUntraced(function* (
    target: Target,
    request: Command,
    { lane, round, message }: Seat,
  ): Effect.fn.Return<Pull.Pull<Output, ExecError>, never, Scope.Scope> {
    const { user = target.user, timeout } = request
    const oomsBefore = hub.oomKills(target.instanceId)
    const deathsBefore = hub.deaths(target.instanceId)
    const scope = yield* Effect.scope
    const kill = Effect.andThen(lane.leave(round), () => terminate(target, round.mark, user))
    let over = false
    let timedOut = false
    let restarted = false
    yield* Effect.addFinalizer(() =>
      over || round.outcome?._tag === "Exited" ? Effect.void : killLater(target.id, kill),
    )
    if (timeout !== undefined) {
      const strike = Effect.gen(function* () {
        timedOut = true
        restarted = yield* terminate(target, round.mark, user)
        // Its end and the last of its output are on the way.
        yield* Effect.sleep("5 seconds")
        yield* lane.leave(round)
      })
      yield* later(
        timeout,
        Effect.catch(strike, (error) => Effect.sync(() => round.finish({ _tag: "Lost", error }))),
      )
    }
    yield* watch(
      lane.execId,
      Effect.andThen(Effect.sleep("5 seconds"), lane.leave(round)),
      (error) => Effect.sync(() => round.finish({ _tag: "Lost", error })),
    )
    // It never says more than this, and says it first.
    const refusal = `${sign}${round.declined}`
    let said: string | undefined = ""
    const loss: Array<OutputEvent> = []

    /** What of its output is the command's own, as far as that can be told. */
    const sift = (all: ReadonlyArray<OutputEvent>): ReadonlyArray<OutputEvent> => {
      let events = all
      if (all.some(tellsLoss)) {
        events = all.filter((event) => !tellsLoss(event))
        loss.push(...all.filter(tellsLoss))
      }
      if (said === undefined) return events
      const [event] = events
      if (event === undefined) return events
      const text = said + Buffer.from(event.bytes).toString("latin1")
      if (event._tag === "Stderr" && refusal.startsWith(text)) {
        said = text
        return []
      }
      const held = said
      said = undefined
      return held === ""
        ? events
        : [ExecEvent.Stderr({ bytes: Buffer.from(held, "latin1") }), ...events]
    }

    const end = Effect.fnUntraced(function* (outcome: Outcome) {
      if (outcome._tag === "Exited") {
        over = true
        if (said === refusal && !timedOut) {
          current = yield* Stream.toPull(throughEngine(target, request)).pipe(Scope.provide(scope))
          return yield* current
        }
      } else {
        if (outcome.error !== undefined) return yield* refuse(target)(outcome.error)
        if (!timedOut) yield* requireKnown(target, lane.execId, deathsBefore)
        // Its processes may go on without the shell that would have told of their end.
        restarted = (yield* terminate(target, round.mark, user)) || restarted
        over = true
      }
      current = Cause.done()
      const lost = outcome._tag === "Lost"
      const exitCode = lost ? 137 : outcome.exitCode
      const isLost = loss.length > 0 && (yield* hub.sawDeath(target.instanceId, deathsBefore))
      const state = { exitCode, timedOut, restarted, isLost, oomsBefore, look: lost }
      const held = said ? [ExecEvent.Stderr({ bytes: Buffer.from(said, "latin1") })] : []
      return Arr.append([...held, ...(isLost ? [] : loss)], yield* endOf(target, state))
    })

    const step: Pull.Pull<Output, ExecError> = Effect.flatMap(round.next, (got) => {
      if ("_tag" in got) return end(got)
      const events = sift(got)
      return Arr.isReadonlyArrayNonEmpty(events) ? Effect.succeed(events) : step
    })
    let current = step
    yield* lane.run(message)
    return Effect.suspend(() => current)
  })

  /** One try: emits the command's output and returns its end, or why the engine did not start it. */
  const attempt = Effect.fnUntraced(function* (target: Target, request: Command, emit: Emit) {
    const token = randomBytes(12).toString("hex")
    const oomsBefore = hub.oomKills(target.instanceId)
    const deathsBefore = hub.deaths(target.instanceId)
    const refused = refuse(target)
    const { command, cwd = target.cwd, env = {}, user = target.user, stdin, timeout } = request
    yield* requireUserNumbers(user)
    const argv = argvOf(command)
    const environment = request.helper ? env : yield* languages(target.instanceId, command, env)
    const readsOn = stdin !== undefined && (yield* Effect.mapError(podman, refused))
    const execId = yield* engine
      .execCreate(target.instanceId, {
        Cmd: readsOn ? ["/bin/sh", "-c", readOnScript, "sh", token, ...argv] : argv,
        Env: [
          ...Object.entries(environment).map(([name, value]) => `${name}=${value}`),
          `${marker}=${token}`,
        ],
        ...(cwd === undefined ? {} : { WorkingDir: cwd }),
        ...(user === undefined ? {} : { User: user }),
        AttachStdin: stdin !== undefined,
        AttachStdout: true,
        AttachStderr: true,
        Tty: false,
      })
      .pipe(
        Effect.mapError((error) => {
          const judged = judgePreparation(error, user)
          return judged._tag === "InvalidInput" ? judged : refused(judged)
        }),
      )

    const death = yield* Effect.acquireRelease(hub.death(execId), () => hub.forget(execId))
    let over = false
    let timedOut = false
    let restarted = false
    const stop = Effect.suspend(() =>
      over ? Effect.succeed(false) : terminate(target, token, user),
    )
    yield* Effect.addFinalizer(() => killLater(target.id, stop))
    const started = yield* Effect.result(engine.execStart(execId))
    if (started._tag === "Failure") {
      const error = started.failure
      // Newer engines answer the call with what older ones put among the output.
      const judged =
        error._tag === "EngineError" && (error.status === 400 || mayBeFailure(error.detail))
      if (!judged) return yield* Effect.fail(refused(error))
      over = true
      return judgeStartFailure(error.detail, { command, cwd, user }, error.status)
    }
    const connection = started.success

    const unwanted = Deferred.makeUnsafe<void>()
    if (stdin !== undefined) {
      const feed = Stream.runForEach(stdin, connection.write)
      yield* (readsOn ? Effect.raceFirst(feed, Deferred.await(unwanted)) : feed).pipe(
        Effect.andThen(connection.end),
        Effect.forkScoped,
      )
    }
    const scanner = new MarkerScanner(`${sign}${token}`)
    /** Takes out of the output that its end was told. */
    const ownOf = (event: OutputEvent): ReadonlyArray<OutputEvent> =>
      event._tag === "Stdout"
        ? [event]
        : scanner.push(event.bytes).flatMap((part) => {
            if (part instanceof Uint8Array) return [ExecEvent.Stderr({ bytes: part })]
            Deferred.doneUnsafe(unwanted, Effect.void)
            return []
          })
    const overdue = yield* Deferred.make<never, ExecError>()
    // Only where the events are interrupted: they are the quicker news.
    yield* watch(execId, Deferred.succeed(death, undefined), (error) =>
      Deferred.fail(overdue, error),
    )
    if (timeout !== undefined) {
      yield* Effect.sleep(timeout).pipe(
        Effect.andThen(
          Effect.suspend(() => {
            timedOut = !over
            return stop
          }),
        ),
        Effect.tap((again) =>
          Effect.sync(() => {
            restarted = again
          }),
        ),
        Effect.catch((error) => Deferred.fail(overdue, error)),
        Effect.forkScoped,
      )
    }

    const parser = new FrameParser()
    /** Podman resets the connection of a command that ends without reading all of its input. */
    const ended = Effect.fnUntraced(function* (error: HostError) {
      if (stdin === undefined || error._tag !== "EngineUnreachable" || !(yield* podman)) {
        return yield* Effect.fail(error)
      }
      const { Running } = yield* awaitExit(execId, justNow)
      if (Running) return yield* Effect.fail(error)
    })
    const pull = yield* connection.output.pipe(
      Stream.catch((error) => Stream.fromEffectDrain(ended(error))),
      Stream.toPull,
    )
    let held: Array<OutputEvent> = []
    let heldText = ""
    let first = true
    let afterExit = 0
    const loss: Array<OutputEvent> = []
    const quiet = Deferred.await(death).pipe(
      Effect.andThen(Effect.sleep(silence)),
      Effect.andThen(Effect.ignore(engine.execInspect(execId))),
      Effect.andThen(Cause.done()),
    )
    const step = Effect.gen(function* () {
      const pieces = yield* Effect.raceAllFirst([pull, quiet, Deferred.await(overdue)])
      const parsed = yield* Effect.try({
        try: () => {
          const events = pieces.flatMap((piece) => parser.push(piece))
          return readsOn ? events.flatMap(ownOf) : events
        },
        catch: (cause) =>
          new EngineError({
            operation: "read a command's output",
            status: 0,
            detail: String(cause),
          }),
      })
      const events = parsed.filter((event) => !tellsLoss(event))
      if (events.length < parsed.length) loss.push(...parsed.filter(tellsLoss))
      if (yield* Deferred.isDone(death)) {
        for (const { bytes } of events) afterExit += bytes.length
        if (afterExit > mostAfterExit) return yield* Cause.done()
      }
      if (first || held.length > 0) {
        held.push(...events)
        heldText += events.map(({ bytes }) => Buffer.from(bytes).toString()).join("")
        first = heldText === ""
        if (first || mayBeFailure(heldText)) return
        yield* emit(held)
        held = []
        return
      }
      if (events.length > 0) yield* emit(events)
    })
    yield* step.pipe(
      Effect.forever,
      Effect.catchIf(Cause.isDone, () => Effect.void),
    )
    if (scanner.held.length > 0) held.push(ExecEvent.Stderr({ bytes: scanner.held }))

    const state = yield* Effect.raceFirst(
      Effect.andThen(Deferred.await(death), awaitExit(execId, soon)),
      Effect.raceFirst(awaitExit(execId, soon), Deferred.await(overdue)),
    ).pipe(
      Effect.map((state) => ({ exitCode: state.ExitCode ?? 137, pid: state.Pid })),
      // It went with the container, or else nobody knows.
      Effect.catchIf(
        (error) => error._tag === "EngineError" && error.status === 404,
        () =>
          (timedOut ? Effect.void : requireEnded(engine, hub, target, deathsBefore)).pipe(
            Effect.as({ exitCode: 137, pid: -1 }),
          ),
      ),
    )
    over = true
    if (
      state.pid === 0 &&
      state.exitCode >= 125 &&
      heldText !== "" &&
      !timedOut &&
      (isStartFailure(heldText) || !(yield* podman))
    ) {
      return judgeStartFailure(heldText.trim(), { command, cwd, user })
    }
    yield* emit(held)
    const isLost = loss.length > 0 && (yield* hub.sawDeath(target.instanceId, deathsBefore))
    if (!isLost) yield* emit(loss)
    return yield* endOf(target, {
      exitCode: state.exitCode,
      timedOut,
      restarted,
      isLost,
      oomsBefore,
      look: state.exitCode > 128,
    })
  }, Effect.scoped)

  /** How many processes of a container the kernel has killed for its memory limit, as it says inside. */
  const kernelOoms = Effect.fnUntraced(function* (target: Target) {
    const execId = yield* engine.execCreate(target.instanceId, {
      Cmd: ["/bin/sh", "-c", oomScript],
      Env: [],
      WorkingDir: "/",
      AttachStdin: false,
      AttachStdout: true,
      AttachStderr: true,
      Tty: false,
    })
    const { output } = yield* engine.execStart(execId)
    const [piece = new Uint8Array()] = yield* Stream.runCollect(Stream.take(output, 1))
    const [, count = "0"] = /oom_kill (\d+)\n/.exec(Buffer.from(piece).toString("latin1")) ?? []
    return Number(count)
  }, Effect.scoped)

  /** Whether the memory limit struck; the news may come a little after the command's end. */
  const sawOom = Effect.fnUntraced(function* (target: Target, before: number, likely: boolean) {
    if (yield* seen(() => hub.oomKills(target.instanceId) > before, likely ? 12 : 0)) return true
    if (!likely || !(yield* Effect.orElseSucceed(podman, () => false))) return false
    const count = yield* kernelOoms(target).pipe(
      Effect.timeoutOrElse({ duration: "20 seconds", orElse: () => Effect.succeed(before) }),
      // It has ended too, and says of itself why.
      Effect.orElseSucceed(() => before),
    )
    hub.countOoms(target.instanceId, count)
    return count > 0 && count !== before
  })

  /** Runs a command by the engine's own means. */
  const throughEngine = (target: Target, request: Command) =>
    Stream.callback<ExecEvent, ExecError>(
      (queue) =>
        Effect.gen(function* () {
          const emit = (events: ReadonlyArray<ExecEvent>) =>
            Effect.asVoid(Queue.offerAll(queue, events))
          const patience = 4
          for (let tries = 0; ; tries++) {
            const end = yield* attempt(target, request, emit)
            if (end._tag === "Exit") {
              yield* emit([tries > patience ? { ...end, restarted: true } : end])
              break
            }
            if (end._tag === "Refused") return yield* Effect.fail(end.error)
            if (end._tag === "Said") {
              const bytes = new TextEncoder().encode(end.text)
              yield* emit([
                ExecEvent.Stderr({ bytes }),
                ExecEvent.Exit({
                  exitCode: end.exitCode,
                  timedOut: false,
                  oomKilled: false,
                  restarted: tries > patience,
                }),
              ])
              break
            }
            // It did not run: a fork bomb may yet burn out, a container that is ending be started.
            if (tries > patience) {
              return yield* new EngineError({
                operation: "start a command",
                status: 0,
                detail: end.detail,
              })
            }
            if (tries === patience) yield* restart(target)
            else yield* Effect.sleep(200)
          }
          yield* Queue.end(queue)
        }),
      { bufferSize: 16, strategy: "suspend" },
    )

  /** Runs a command on the sandbox's channel where it has one that fits, else by the engine. */
  const throughChannel = Effect.fnUntraced(function* (
    target: Target,
    request: Command,
    channels: Channels,
  ) {
    const { command, cwd = target.cwd, env = {}, user = target.user, helper = false } = request
    // A helper's input is known. Another's goes with the command where that is short and at hand.
    const peeked =
      request.stdin === undefined || helper
        ? undefined
        : yield* peek(request.stdin, mostInlineStdin)
    const whole = peeked === undefined ? request : { ...request, stdin: peeked.all }
    const fed = helper ? request.stdin && !request.content : peeked && !peeked.whole
    if (fed) return throughEngine(target, whole)
    const stdin = helper ? request.content : peeked?.whole
    const seat = yield* Effect.uninterruptibleMask((restore) =>
      Effect.tap(
        channels.take(target, { command, cwd, env, user, stdin, helper }, restore),
        (taken) =>
          taken === undefined
            ? Effect.void
            : Effect.addFinalizer(() => taken.lane.leave(taken.round)),
      ),
    )
    return seat === undefined
      ? throughEngine(target, whole)
      : Stream.fromPull(Effect.succeed(yield* onLane(target, whole, seat)))
  })

  /** See `SandboxDriver.exec`. */
  return (target: Target, request: Command): Stream.Stream<ExecEvent, ExecError> =>
    withDeadline(
      engine,
      request.timeout,
      channels === undefined || request.once
        ? throughEngine(target, request)
        : Stream.unwrap(throughChannel(target, request, channels)),
    )
}
