import { Effect } from "effect"

// Bytes that wait to be written before those who send more have to wait.
const mostWaiting = 512 * 1024
// What is shorter is copied to be written in one piece with its neighbours.
const short = 4 * 1024

interface Waiting {
  readonly bytes: Uint8Array
  readonly written: (() => void) | undefined
}

/** What is to be written, in order: all that waits with one call, and large pieces as they are. */
export class Outbox {
  readonly #write: (pieces: ReadonlyArray<Uint8Array>) => Effect.Effect<void>
  #waiting: Array<Waiting> = []
  #length = 0
  #pushed = 0
  #handed = 0
  #state: "idle" | "scheduled" | "writing" | "dropped" = "idle"
  readonly #onRoom = new Set<() => void>()

  /** @param write returns once the memory of what it was given may be used again */
  constructor(write: (pieces: ReadonlyArray<Uint8Array>) => Effect.Effect<void>) {
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

  /** How many pieces were taken so far. */
  get pushed(): number {
    return this.#pushed
  }

  /** How many of these the connection has been given, so that they may arrive. */
  get handed(): number {
    return this.#handed
  }

  /**
   * Takes a frame, or a piece of one whose other pieces follow at once.
   *
   * @param bytes must not be changed until they are written
   * @param written is called once they are, and where they never will be
   */
  push(bytes: Uint8Array, written?: () => void): void {
    if (this.#state === "dropped") {
      written?.()
      return
    }
    this.#pushed++
    this.#waiting.push({ bytes, written })
    this.#length += bytes.length
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
    const waiting = this.#waiting
    this.#state = "dropped"
    this.#waiting = []
    this.#length = 0
    for (const { written } of waiting) written?.()
    this.#wake()
  }

  readonly #next = (): void => {
    if (this.#state === "dropped") return
    const batch = this.#waiting
    this.#waiting = []
    this.#length = 0
    if (batch.length === 0) {
      this.#state = "idle"
      return
    }
    this.#state = "writing"
    this.#handed += batch.length
    Effect.runFork(this.#write(joined(batch))).addObserver(() => {
      for (const { written } of batch) written?.()
      this.#next()
    })
    // What comes meanwhile is written next.
    this.#wake()
  }

  #wake(): void {
    const waiting = [...this.#onRoom]
    this.#onRoom.clear()
    for (const wake of waiting) wake()
  }
}

/** Neighbours that are short in one piece each. */
const joined = (batch: ReadonlyArray<Waiting>): ReadonlyArray<Uint8Array> => {
  const pieces: Array<Uint8Array> = []
  let run: Array<Uint8Array> = []
  const flush = () => {
    const [first] = run
    if (first !== undefined) pieces.push(run.length > 1 ? Buffer.concat(run) : first)
    run = []
  }
  for (const { bytes } of batch) {
    if (bytes.length < short) {
      run.push(bytes)
      continue
    }
    flush()
    pieces.push(bytes)
  }
  flush()
  return pieces
}
