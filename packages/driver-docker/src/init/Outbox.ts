import { Effect } from "effect"

// Bytes that wait to be written before those who send more have to wait.
const mostWaiting = 256 * 1024
// Frames that are shorter are written together.
const oneWrite = 64 * 1024

/** What is to be written, in order: all that was said in one turn of the event loop in one piece. */
export class Outbox {
  readonly #write: (bytes: Uint8Array) => Effect.Effect<void>
  #waiting: Array<Uint8Array> = []
  #length = 0
  #state: "idle" | "scheduled" | "writing" | "dropped" = "idle"
  readonly #onRoom = new Set<() => void>()

  constructor(write: (bytes: Uint8Array) => Effect.Effect<void>) {
    this.#write = write
  }

  /** Whether whoever has much to send should wait: see `whenRoom`. */
  get full(): boolean {
    return this.#length >= mostWaiting
  }

  /** Whether all has been handed to the connection. */
  get empty(): boolean {
    return this.#waiting.length === 0 && this.#state !== "writing"
  }

  /** Takes a frame, which must not be changed from then on. */
  push(frame: Uint8Array): void {
    if (this.#state === "dropped") return
    this.#waiting.push(frame)
    this.#length += frame.length
    if (this.#state !== "idle") return
    this.#state = "scheduled"
    queueMicrotask(this.#next)
  }

  /** Calls `wake` once, when there is room again; what it returns prevents that. */
  whenRoom(wake: () => void): () => void {
    this.#onRoom.add(wake)
    return () => this.#onRoom.delete(wake)
  }

  /** Writes nothing more. */
  drop(): void {
    this.#state = "dropped"
    this.#waiting = []
    this.#length = 0
    this.#wake()
  }

  readonly #next = (): void => {
    if (this.#state === "dropped") return
    if (!this.full) this.#wake()
    const bytes = this.#take()
    if (bytes === undefined) {
      this.#state = "idle"
      return
    }
    this.#state = "writing"
    Effect.runFork(this.#write(bytes)).addObserver(this.#next)
  }

  #take(): Uint8Array | undefined {
    let count = 0
    let length = 0
    for (const frame of this.#waiting) {
      if (count > 0 && length + frame.length > oneWrite) break
      length += frame.length
      count++
    }
    const frames = this.#waiting.splice(0, count)
    this.#length -= length
    return frames.length > 1 ? Buffer.concat(frames, length) : frames[0]
  }

  #wake(): void {
    const waiting = [...this.#onRoom]
    this.#onRoom.clear()
    for (const wake of waiting) wake()
  }
}
