import { randomBytes } from "node:crypto"
import type { HostError } from "@cordon/core"
import { Cause, Deferred, Effect, Exit, Scope, Stream } from "effect"
import type { DockerEngine, ExecConnection } from "../DockerEngine.ts"
import { FrameParser, type OutputEvent } from "../engine/frames.ts"
import { MarkerScanner } from "./MarkerScanner.ts"
import { laneCommand, laneScript, sign } from "./script.ts"

type Emit = (events: ReadonlyArray<OutputEvent>) => Effect.Effect<void>

/** How a command on a lane ended. */
export type Outcome =
  | { readonly _tag: "Exited"; readonly exitCode: number }
  /** The lane is gone, and the command with it; `error` where the engine can't be reached. */
  | { readonly _tag: "Lost"; readonly error: HostError | undefined }

type State = "settling" | "ready" | "busy" | "closed"

// As for a command that the engine started: see the driver's `exec`.
const silence = "2 seconds"
const mostLate = 64 * 1024 * 1024

const refusal = new RegExp(`^${sign}no (.*)\n`)

const secret = () => randomBytes(16).toString("hex")

// How long after a command's end its outputs may still be held before the lane is given up:
// milliseconds between one look and the next.
const patience = [2, 5, 15, 50, 150, 300]

/** One command's words: all new, so that nobody can use what he saw of an earlier one. */
class Round {
  readonly ready = secret()
  readonly end = secret()
  /** Public: the command finds it in its environment. */
  readonly mark = randomBytes(12).toString("hex")
  readonly answered = Deferred.makeUnsafe<"ready" | "held" | { readonly unable: string }>()
  readonly outcome = Deferred.makeUnsafe<Outcome>()
  readonly stdout = new MarkerScanner(`${sign}${this.end}`, `${sign}${this.ready}`)
  readonly stderr = new MarkerScanner(`${sign}${this.end}`)
  emit: Emit = () => Effect.void
  exitCode: number | undefined
  stdoutEnded = false
  stderrEnded = false
  /** Bytes of output after the command's end was told. */
  late = 0
  readonly line = `${this.ready} ${this.end} ${this.mark}\n`
}

/** A long-lived shell in a container that runs one command at a time: see `laneScript`. */
export class Lane {
  readonly execId: string
  readonly openedAt = Date.now()
  usedAt = Date.now()
  #state: State = "settling"
  #round = new Round()
  readonly #connection: ExecConnection
  readonly #scope: Scope.Closeable
  readonly #onState: (lane: Lane, state: "ready" | "closed") => void
  readonly #parser = new FrameParser()
  #hello = ""

  private constructor(
    execId: string,
    connection: ExecConnection,
    scope: Scope.Closeable,
    onState: (lane: Lane, state: "ready" | "closed") => void,
  ) {
    this.execId = execId
    this.#connection = connection
    this.#scope = scope
    this.#onState = onState
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
    onState: (lane: Lane, state: "ready" | "closed") => void,
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
      const answer = yield* Deferred.await(lane.#round.answered)
      if (typeof answer === "object") {
        yield* lane.close
        return { unable: answer.unable }
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

  /** The value of the marker by which the processes of its command are known. */
  get mark(): string {
    return this.#round.mark
  }

  /** Takes a ready lane for a command. */
  take(): void {
    this.#state = "busy"
    this.usedAt = Date.now()
  }

  /** Gives back a lane that was taken and has run nothing. */
  readonly rest: Effect.Effect<void> = Effect.sync(() => {
    if (this.#state !== "busy") return
    this.#state = "ready"
    this.#onState(this, "ready")
  })

  /** Closes the lane if the command that it was taken for is not over. */
  leave(mark: string): Effect.Effect<void> {
    return Effect.suspend(() =>
      this.#state === "busy" && this.mark === mark ? this.close : Effect.void,
    )
  }

  /** Runs one command on a lane that was taken. */
  run(message: string, emit: Emit): Effect.Effect<Outcome> {
    return Effect.suspend(() => {
      const round = this.#round
      if (this.#state !== "busy") return Effect.succeed<Outcome>({ _tag: "Lost", error: undefined })
      round.emit = emit
      return Effect.andThen(
        this.#connection.write(Buffer.from(message)),
        Deferred.await(round.outcome),
      )
    })
  }

  /** Ends the lane; the shell ends by itself once nobody feeds it. Also safe within its own fibers. */
  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    if (this.#state === "closed") return Effect.void
    this.#state = "closed"
    this.#lose(undefined)
    this.#onState(this, "closed")
    return Effect.asVoid(Effect.forkDetach(Scope.close(this.#scope, Exit.void)))
  })

  #lose(error: HostError | undefined): void {
    // Even where its exit code is known: what it wrote did not come whole.
    Deferred.doneUnsafe(this.#round.outcome, Effect.succeed<Outcome>({ _tag: "Lost", error }))
    Deferred.doneUnsafe(this.#round.answered, Effect.succeed({ unable: "" }))
  }

  /** Reads for as long as the lane lives. Who does not take a command's output stops it here. */
  get #read(): Effect.Effect<void> {
    return Stream.runForEach(this.#connection.output, (piece) => {
      const events = this.#parser.push(piece)
      return Effect.forEach(events, (event) => this.#handle(event), { discard: true })
    }).pipe(
      Effect.matchCause({
        onSuccess: () => this.#lose(undefined),
        onFailure: (cause) => {
          const error = cause.reasons.find(Cause.isFailReason)?.error
          this.#lose(error)
        },
      }),
      Effect.andThen(this.close),
    )
  }

  #handle(event: OutputEvent): Effect.Effect<void> {
    switch (this.#state) {
      case "settling":
        return Effect.sync(() => this.#settling(event))
      case "busy":
        return this.#busy(event)
      // Nobody has asked for anything.
      case "ready":
        return this.close
      case "closed":
        return Effect.void
    }
  }

  #settling(event: OutputEvent): void {
    if (event._tag === "Stderr") return
    const round = this.#round
    if (this.#hello.length < 1024) {
      this.#hello += Buffer.from(event.bytes).toString()
      const unable = refusal.exec(this.#hello)?.[1]
      if (unable !== undefined) Deferred.doneUnsafe(round.answered, Effect.succeed({ unable }))
    }
    for (const part of round.stdout.push(event.bytes)) {
      if (part instanceof Uint8Array) continue
      const answer = part.rest === "+" ? "ready" : "held"
      Deferred.doneUnsafe(round.answered, Effect.succeed(answer))
    }
  }

  #busy(event: OutputEvent): Effect.Effect<void> {
    const round = this.#round
    const stdout = event._tag === "Stdout"
    const outputs: Array<OutputEvent> = []
    for (const part of (stdout ? round.stdout : round.stderr).push(event.bytes)) {
      if (part instanceof Uint8Array) {
        if (!(stdout ? round.stdoutEnded : round.stderrEnded)) {
          outputs.push({ ...event, bytes: part })
        }
      } else if (part.pattern.endsWith(round.ready)) {
        // The exit code. What else there is to come is on its way, unless somebody holds it back.
        round.exitCode = Number(part.rest.slice(1))
        Effect.runFork(Effect.forkIn(this.#hurry(round), this.#scope))
      } else if (stdout) round.stdoutEnded = true
      else round.stderrEnded = true
    }
    const { exitCode } = round
    if (exitCode !== undefined) round.late += event.bytes.length
    const ended = round.stdoutEnded && round.stderrEnded
    return Effect.andThen(
      outputs.length === 0 ? Effect.void : round.emit(outputs),
      Effect.suspend(() => {
        if (exitCode === undefined) return Effect.void
        if (ended) return Effect.sync(() => this.#finish(exitCode))
        return round.late > mostLate ? this.#giveUp(round, exitCode) : Effect.void
      }),
    )
  }

  /** Does not wait for ever for the end of an output that was taken away on its way. */
  #hurry(round: Round): Effect.Effect<void> {
    return Effect.gen({ self: this }, function* () {
      let seen = -1
      while (seen !== round.late) {
        seen = round.late
        yield* Effect.sleep(silence)
      }
      if (round.exitCode !== undefined) yield* this.#giveUp(round, round.exitCode)
    })
  }

  /** Ends a command whose exit code is known, and the lane with it. */
  #giveUp(round: Round, exitCode: number): Effect.Effect<void> {
    Deferred.doneUnsafe(round.outcome, Effect.succeed<Outcome>({ _tag: "Exited", exitCode }))
    return round === this.#round ? this.close : Effect.void
  }

  #finish(exitCode: number): void {
    const { outcome } = this.#round
    this.#round = new Round()
    this.#state = "settling"
    Deferred.doneUnsafe(outcome, Effect.succeed<Outcome>({ _tag: "Exited", exitCode }))
    Effect.runFork(Effect.forkIn(this.#settle, this.#scope))
  }

  /** Has the lane arm again, once nothing of the last command holds its outputs any more. */
  get #settle(): Effect.Effect<void> {
    const lane = this
    return Effect.gen(function* () {
      for (const wait of patience) {
        yield* lane.#connection.write(Buffer.from(lane.#round.line))
        const answer = yield* Deferred.await(lane.#round.answered)
        if (answer === "ready") {
          if (lane.#state !== "settling") return
          lane.#state = "ready"
          return lane.#onState(lane, "ready")
        }
        if (answer !== "held") return yield* lane.close
        yield* Effect.sleep(wait)
        lane.#round = new Round()
      }
      yield* lane.close
    })
  }
}
