import type { HostError } from "@cordon/core"
import { Deferred, Effect, Exit, Scope } from "effect"
import type { DockerEngine, ExecConnection } from "../DockerEngine.ts"
import { FrameParser, type OutputEvent } from "../engine/frames.ts"
import { Round } from "./Round.ts"
import { laneCommand, laneScript, sign } from "./script.ts"

/**
 * - `spent`: its command has ended; it has to `arm` before the next one
 * - `settling`: it was told to arm
 * - `ready`, then `busy` once it was taken
 */
type State = "spent" | "settling" | "ready" | "busy" | "closed"

/** Hears of each state that others have to know. */
type OnState = (lane: Lane, state: "spent" | "ready" | "closed") => void

// As for a command that the engine started: see the driver's `exec`.
const silence = 2000
const mostLate = 64 * 1024 * 1024

const refusal = new RegExp(`^${sign}no (.*)\n`)

// How long after a command's end its outputs may still be held before the lane is given up:
// milliseconds between one look and the next.
const patience = [2, 5, 15, 50, 150, 300]

/** A long-lived shell in a container that runs one command at a time: see `laneScript`. */
export class Lane {
  readonly execId: string
  readonly openedAt = performance.now()
  usedAt = performance.now()
  #state: State = "settling"
  #round: Round
  readonly #connection: ExecConnection
  readonly #scope: Scope.Closeable
  readonly #onState: OnState
  readonly #parser = new FrameParser()
  readonly #opened = Deferred.makeUnsafe<{ readonly unable: string } | undefined>()
  #resume = () => {}
  #hello = ""
  #looks = 0
  #timer: NodeJS.Timeout | undefined

  private constructor(
    execId: string,
    connection: ExecConnection,
    scope: Scope.Closeable,
    onState: OnState,
  ) {
    this.execId = execId
    this.#connection = connection
    this.#scope = scope
    this.#onState = onState
    this.#round = this.#newRound()
  }

  /**
   * Starts a lane by an ordinary command of the engine. It is its taker's from the start, and not
   * announced as ready.
   *
   * @returns the lane, or why the image can't have one
   */
  static readonly open = Effect.fnUntraced(function* (
    engine: DockerEngine["Service"],
    instanceId: string,
    user: string | undefined,
    parent: Scope.Scope,
    onState: OnState,
  ) {
    const execId = yield* engine.execCreate(instanceId, {
      Cmd: ["/bin/sh", "-c", laneCommand],
      Env: [],
      WorkingDir: "/",
      ...(user === undefined ? {} : { User: user }),
      AttachStdin: true,
      AttachStdout: true,
      AttachStderr: true,
      Tty: false,
    })
    const scope = yield* Scope.fork(parent)
    return yield* Effect.gen(function* () {
      const connection = yield* engine.execStart(execId).pipe(Scope.provide(scope))
      const lane = new Lane(execId, connection, scope, onState)
      yield* lane.#read.pipe(Effect.forkIn(scope))
      yield* connection.write(Buffer.from(`${laneScript}# end\n${lane.#round.line}`))
      const refused = yield* Deferred.await(lane.#opened)
      if (refused !== undefined) {
        yield* lane.close
        return refused
      }
      lane.#state = "busy"
      return lane
    }).pipe(
      Effect.onExit((exit) => (Exit.isSuccess(exit) ? Effect.void : Scope.close(scope, exit))),
    )
  })

  get state(): State {
    return this.#state
  }

  /** The words and the output of the command that it is taken for. */
  get round(): Round {
    return this.#round
  }

  /** Takes a ready lane for a command. */
  take(): void {
    this.#state = "busy"
    this.usedAt = performance.now()
  }

  /** Gives back a lane that was taken and has run nothing. */
  readonly rest: Effect.Effect<void> = Effect.sync(() => {
    if (this.#state === "busy") this.#enter("ready")
  })

  /** Closes the lane if the command that it was taken for is not over. */
  leave(round: Round): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.#state === "busy" && this.#round === round ? this.close : Effect.void,
    )
  }

  /** Begins a command on a lane that was taken. */
  run(message: string): Effect.Effect<void> {
    return Effect.suspend(() => {
      if (this.#state === "busy") return this.#connection.write(Buffer.from(message))
      return Effect.sync(() => this.#round.finish({ _tag: "Lost", error: undefined }))
    })
  }

  /** Has a spent lane arm again, once nothing of the last command holds its outputs any more. */
  arm(): void {
    if (this.#state !== "spent") return
    this.#state = "settling"
    this.#looks = 0
    this.#ask(this.#newRound())
  }

  /** Ends the lane; the shell ends by itself once nobody feeds it. Also safe within its own fibers. */
  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    if (this.#state === "closed") return Effect.void
    clearTimeout(this.#timer)
    this.#lose(undefined)
    this.#enter("closed")
    return Effect.asVoid(Effect.forkDetach(Scope.close(this.#scope, Exit.void)))
  })

  #enter(state: "spent" | "ready" | "closed"): void {
    this.#state = state
    this.#onState(this, state)
  }

  #newRound(): Round {
    return new Round(() => this.#resume())
  }

  #lose(error: HostError | undefined): void {
    // Even where its exit code is known: what it wrote did not come whole.
    this.#round.finish({ _tag: "Lost", error })
    Deferred.doneUnsafe(this.#opened, Effect.succeed({ unable: "" }))
  }

  #ask(round: Round): void {
    this.#round = round
    Effect.runFork(this.#connection.write(Buffer.from(round.line)))
  }

  /** Reads for as long as the lane lives. Who does not take a command's output stops it here. */
  get #read(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { end, resume } = this.#connection.receive((piece) => {
        for (const event of this.#parse(piece)) this.#handle(event)
        this.#round.flush()
        return this.#state !== "busy" || !this.#round.isFull
      })
      this.#resume = resume
      return end
    }).pipe(
      Effect.catch((error) => Effect.sync(() => this.#lose(error))),
      Effect.andThen(this.close),
    )
  }

  #parse(piece: Uint8Array): ReadonlyArray<OutputEvent> {
    try {
      return this.#parser.push(piece)
    } catch {
      // What comes is no stream of the engine's any more.
      Effect.runFork(this.close)
      return []
    }
  }

  #handle(event: OutputEvent): void {
    if (this.#state === "settling") this.#settling(event)
    else if (this.#state === "busy") this.#busy(event)
    // Nobody has asked for anything.
    else Effect.runFork(this.close)
  }

  #settling(event: OutputEvent): void {
    if (event._tag === "Stderr") return
    if (this.#hello.length < 1024) {
      this.#hello += Buffer.from(event.bytes).toString()
      const unable = refusal.exec(this.#hello)?.[1]
      if (unable !== undefined) Deferred.doneUnsafe(this.#opened, Effect.succeed({ unable }))
    }
    for (const part of this.#round.stdout.push(event.bytes)) {
      if (part instanceof Uint8Array) continue
      if (part.rest === "+") this.#armed()
      else this.#held()
    }
  }

  #armed(): void {
    if (Deferred.isDoneUnsafe(this.#opened)) this.#enter("ready")
    else Deferred.doneUnsafe(this.#opened, Effect.undefined)
  }

  #held(): void {
    const wait = patience[this.#looks++]
    if (wait === undefined) return void Effect.runFork(this.close)
    this.#timer = setTimeout(() => this.#ask(this.#newRound()), wait).unref()
  }

  #busy(event: OutputEvent): void {
    const round = this.#round
    const stdout = event._tag === "Stdout"
    const wasRunning = round.exitCode === undefined
    for (const part of (stdout ? round.stdout : round.stderr).push(event.bytes)) {
      if (part instanceof Uint8Array) {
        if (!(stdout ? round.stdoutEnded : round.stderrEnded))
          round.write({ ...event, bytes: part })
      } else if (part.pattern.endsWith(round.ready)) {
        round.exitCode = Number(part.rest.slice(1))
      } else if (stdout) round.stdoutEnded = true
      else round.stderrEnded = true
    }
    const { exitCode } = round
    if (exitCode === undefined) return
    round.late += event.bytes.length
    if (round.stdoutEnded && round.stderrEnded) this.#finish(exitCode)
    else if (round.late > mostLate) this.#giveUp(round, exitCode)
    // What else there is to come is on its way, unless somebody holds it back.
    else if (wasRunning) this.#hurry(round, exitCode)
  }

  /** Does not wait for ever for the end of an output that was taken away on its way. */
  #hurry(round: Round, exitCode: number): void {
    const seen = round.late
    this.#timer = setTimeout(() => {
      if (seen === round.late && !round.isFull) this.#giveUp(round, exitCode)
      else this.#hurry(round, exitCode)
    }, silence).unref()
  }

  /** Ends a command whose exit code is known, and the lane with it. */
  #giveUp(round: Round, exitCode: number): void {
    round.finish({ _tag: "Exited", exitCode })
    if (round === this.#round) Effect.runFork(this.close)
  }

  #finish(exitCode: number): void {
    clearTimeout(this.#timer)
    const round = this.#round
    const outcome = { _tag: "Exited", exitCode } as const
    // First of all: a lane that is old enough is closed at once.
    round.settle(outcome)
    this.#enter("spent")
    round.finish(outcome)
  }
}
