import type { OutputEvent } from "@cordon/core"
import { Cause, Effect, type Exit, type PlatformError, type Pull, Stream } from "effect"

type Kind = OutputEvent["_tag"]
type Failure = PlatformError.PlatformError

/** Bytes of one output that wait for their reader; with more than this the command waits as well. */
const mostWaiting = 1024 ** 2
// The memory of a piece, including a fixed overhead, so that small pieces are counted fairly.
const sizeOf = ({ bytes }: OutputEvent) => bytes.length + 64

/** The unread output of a command. Each piece goes to one reader. */
export class Outputs {
  readonly #pieces: Array<OutputEvent> = []
  readonly #waiting = { Stdout: 0, Stderr: 0 }
  readonly #waiters = new Set<() => void>()
  #end: Exit.Exit<void, Failure> | undefined
  #isLeft = false

  /** Waits while too much is there that nobody has read. */
  push(piece: OutputEvent): Effect.Effect<void> {
    const isFull = () => this.#waiting[piece._tag] >= mostWaiting
    return Effect.andThen(
      this.#until(() => this.#isLeft || !isFull()),
      Effect.sync(() => {
        if (isFull()) return
        this.#pieces.push(piece)
        this.#waiting[piece._tag] += sizeOf(piece)
        this.#wake()
      }),
    )
  }

  /** From now on the command does not wait for readers: excess output is dropped. */
  leave(): void {
    this.#isLeft = true
    this.#wake()
  }

  /** No more comes. */
  end(exit: Exit.Exit<void, Failure>): void {
    this.#end ??= exit
    this.#wake()
  }

  /** Reads one of the outputs, or both in the order of arrival. */
  read(...kinds: ReadonlyArray<Kind>): Stream.Stream<Uint8Array, Failure> {
    const find = () => this.#pieces.findIndex(({ _tag }) => kinds.includes(_tag))
    const pull: Pull.Pull<readonly [Uint8Array], Failure> = Effect.suspend(() => {
      const at = find()
      const piece = this.#pieces[at]
      if (piece !== undefined) {
        this.#pieces.splice(at, 1)
        this.#waiting[piece._tag] -= sizeOf(piece)
        this.#wake()
        return Effect.succeed([piece.bytes] as const)
      }
      if (this.#end !== undefined) return Effect.andThen(this.#end, Cause.done())
      return Effect.andThen(
        this.#until(() => this.#end !== undefined || find() !== -1),
        pull,
      )
    })
    return Stream.fromPull(Effect.succeed(pull))
  }

  #until(holds: () => boolean): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const look = () => {
        if (!holds()) return
        this.#waiters.delete(look)
        resume(Effect.void)
      }
      this.#waiters.add(look)
      look()
      return Effect.sync(() => this.#waiters.delete(look))
    })
  }

  #wake(): void {
    for (const look of [...this.#waiters]) look()
  }
}
