import { Effect } from "effect"

// The number of waiting bytes above which senders have to wait.
const mostWaiting = 512 * 1024
// Shorter pieces are copied and written together with their neighbours.
const short = 4 * 1024

interface Waiting {
  readonly bytes: Uint8Array
  readonly written: (() => void) | undefined
}

/**
 * The queue of pieces to write, in order. All waiting pieces are written with one call; large
 * pieces are not copied.
 */
export class Outbox {
  readonly #write: (pieces: ReadonlyArray<Uint8Array>) => Effect.Effect<void>
  #waiting: Array<Waiting> = []
  #length = 0
  #pushed = 0
  #handed = 0
  #state: "idle" | "scheduled" | "writing" | "dropped" = "idle"
  readonly #onRoom = new Set<() => void>()

  /** @param write returns when the memory of the pieces may be reused */
  constructor(write: (pieces: ReadonlyArray<Uint8Array>) => Effect.Effect<void>) {
    this.#write = write
  }

  /** Whether senders of bulk data should wait: see `whenRoom`. */
  get full(): boolean {
    return this.#length >= mostWaiting
  }

  /** Whether all pieces have been passed to the connection. */
  get empty(): boolean {
    return this.#waiting.length === 0 && this.#state !== "writing"
  }

  /** The number of pieces pushed so far. */
  get pushed(): number {
    return this.#pushed
  }

  /** The number of pieces passed to the connection, so that they may have arrived. */
  get handed(): number {
    return this.#handed
  }

  /**
   * Queues a frame, or a part of a frame whose other parts follow at once.
   *
   * @param bytes must not change until they are written
   * @param written is called when they are written, or when they never will be
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

  /** Calls `wake` once, when there is room again. The returned function cancels that. */
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
    // Pieces that arrive meanwhile are written next.
    this.#wake()
  }

  #wake(): void {
    const waiting = [...this.#onRoom]
    this.#onRoom.clear()
    for (const wake of waiting) wake()
  }
}

/** Joins adjacent short pieces into one. */
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
