import { randomBytes } from "node:crypto"
import type { HostError, OutputEvent } from "@cordon/core"
import { Effect } from "effect"
import { MarkerScanner } from "./MarkerScanner.ts"
import { sign } from "./script.ts"

/** How a command on a lane ended. */
export type Outcome =
  | { readonly _tag: "Exited"; readonly exitCode: number }
  /** The lane is gone, and the command with it; `error` where the engine can't be reached. */
  | { readonly _tag: "Lost"; readonly error: HostError | undefined }

// Output that waits to be taken: bytes. With more of it the command has to wait.
const mostWaiting = 512 * 1024

/** One command's words, all new, so that nobody can use what he saw of an earlier one; and its output. */
export class Round {
  readonly #words = randomBytes(60).toString("hex")
  readonly ready = this.#words.slice(0, 32)
  readonly end = this.#words.slice(32, 64)
  /** What the shell says on stderr, before anything else, if it can't begin the command. */
  readonly declined = this.#words.slice(64, 96)
  /** Public: the command finds it in its environment. */
  readonly mark = this.#words.slice(96)
  readonly line = `${this.ready} ${this.end} ${this.mark}\n`
  readonly stdout = new MarkerScanner(`${sign}${this.end}`, `${sign}${this.ready}`)
  readonly stderr = new MarkerScanner(`${sign}${this.end}`)
  exitCode: number | undefined
  stdoutEnded = false
  stderrEnded = false
  /** Bytes of output after the command's end was told. */
  late = 0
  #output: Array<OutputEvent> = []
  #waiting = 0
  #outcome: Outcome | undefined
  #wake: (() => void) | undefined
  readonly #resume: () => void

  /** @param resume goes on with reading that `isFull` had stopped */
  constructor(resume: () => void) {
    this.#resume = resume
  }

  get outcome(): Outcome | undefined {
    return this.#outcome
  }

  get isFull(): boolean {
    return this.#waiting >= mostWaiting
  }

  write(event: OutputEvent): void {
    this.#output.push(event)
    this.#waiting += event.bytes.length
  }

  /** The first outcome counts: a command whose end is known can't be lost any more. */
  settle(outcome: Outcome): void {
    this.#outcome ??= outcome
  }

  /** Settles it, and tells who waits. */
  finish(outcome: Outcome): void {
    this.settle(outcome)
    this.#wake?.()
  }

  /** Tells who waits for output of what was written. */
  flush(): void {
    if (this.#output.length > 0) this.#wake?.()
  }

  /** What was written since the last time, once there is something; then, again and again, the end. */
  readonly next: Effect.Effect<ReadonlyArray<OutputEvent> | Outcome> = Effect.suspend(() => {
    const taken = this.#take()
    if (taken !== undefined) return Effect.succeed(taken)
    return Effect.callback<ReadonlyArray<OutputEvent> | Outcome>((resume) => {
      this.#wake = () => {
        this.#wake = undefined
        const taken = this.#take()
        if (taken !== undefined) resume(Effect.succeed(taken))
      }
      return Effect.sync(() => {
        this.#wake = undefined
      })
    })
  })

  #take(): ReadonlyArray<OutputEvent> | Outcome | undefined {
    if (this.#output.length === 0) return this.#outcome
    const taken = this.#output
    const wasFull = this.isFull
    this.#output = []
    this.#waiting = 0
    if (wasFull) this.#resume()
    return taken
  }
}
