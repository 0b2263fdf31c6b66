import { Effect } from "effect"
import type { InitStream } from "../../src/init/InitConnection.ts"

/** Types of frames, as `docs/init-protocol.md` numbers them. */
export const to = {
  hello: 1,
  ping: 2,
  open: 3,
  data: 4,
  end: 5,
  credit: 6,
  signal: 7,
  kill: 8,
  resize: 9,
}
export const from = { hello: 1, pong: 2, opened: 3, data: 4, end: 5, credit: 6, closed: 7 }

/** A frame, as either side writes it. */
export interface Frame {
  readonly type: number
  readonly channel: number
  readonly payload: Uint8Array
}

export const encode = ({ type, channel, payload }: Frame): Buffer => {
  const header = Buffer.alloc(9)
  header.writeUInt32LE(payload.length)
  header[4] = type
  header.writeUInt32LE(channel, 5)
  return Buffer.concat([header, payload])
}

const integers = (...parts: ReadonlyArray<readonly [value: number, bytes: number]>) =>
  Buffer.concat(
    parts.map(([value, bytes]) => {
      const buffer = Buffer.alloc(bytes)
      if (bytes === 8) buffer.writeBigUInt64LE(BigInt(value))
      else buffer.writeUIntLE(value, 0, bytes)
      return buffer
    }),
  )

export const bootId = Buffer.from("00112233445566778899aabbccddeeff", "hex")

export const hello = (version = 1): Frame => ({
  type: from.hello,
  channel: 0,
  payload: Buffer.concat([
    integers([0x4e444f43, 4], [version, 2], [7, 2]),
    bootId,
    integers([5, 4], [0, 4]),
  ]),
})
export const opened = (channel: number, pid = 42, credit = 128 * 1024): Frame => ({
  type: from.opened,
  channel,
  payload: integers([pid, 4], [credit, 4]),
})
export const data = (channel: number, stream: number, bytes: Uint8Array | string): Frame => ({
  type: from.data,
  channel,
  payload: Buffer.concat([
    Uint8Array.of(stream),
    typeof bytes === "string" ? Buffer.from(bytes) : bytes,
  ]),
})
export const position = (channel: number, at: number): Frame => ({
  type: from.data,
  channel,
  payload: Buffer.concat([Uint8Array.of(0), integers([at, 8])]),
})
export const end = (channel: number): Frame => ({
  type: from.end,
  channel,
  payload: new Uint8Array(),
})
export const credit = (channel: number, count: number): Frame => ({
  type: from.credit,
  channel,
  payload: integers([count, 4]),
})
export const closed = (channel: number, value = 0, how = 0, stage = 0, flags = 0): Frame => ({
  type: from.closed,
  channel,
  payload: integers([how, 1], [value, 1], [stage, 2], [flags, 4]),
})

/** An init of a test's own: hears each frame that the program writes, and says what it likes. */
export class FakeInit {
  readonly frames: Array<Frame> = []
  /** Pieces in which the program wrote. */
  writes = 0
  isClosed = false
  /** Hears of each frame, in order; says nothing by default. */
  answer: (frame: Frame) => void = () => {}
  #take: (piece: Uint8Array) => boolean = () => false
  #wanted = true
  #isOver = false
  #finish = () => {}
  #held = Buffer.alloc(0)

  readonly stream: InitStream = {
    receive: (take) => {
      this.#take = take
      return {
        end: Effect.callback((resume) => {
          this.#finish = () => resume(Effect.void)
          if (this.#isOver) this.#finish()
        }),
      }
    },
    write: (pieces) =>
      Effect.sync(() => {
        this.writes++
        for (const piece of pieces) this.#read(piece)
      }),
    close: Effect.sync(() => {
      this.isClosed = true
    }),
  }

  /** Whether the program still reads. */
  get isHeard(): boolean {
    return this.#wanted
  }

  say(...frames: ReadonlyArray<Frame>): void {
    this.sayBytes(Buffer.concat(frames.map(encode)))
  }

  sayBytes(bytes: Uint8Array): void {
    if (this.#wanted) this.#wanted = this.#take(bytes)
  }

  /** Closes the connection. */
  end(): void {
    this.#isOver = true
    this.#finish()
  }

  /** Frames of a type that the program has written so far. */
  of(type: number): Array<Frame> {
    return this.frames.filter((frame) => frame.type === type)
  }

  /** All input that was written for a channel. */
  input(channel: number): Buffer {
    return Buffer.concat(
      this.of(to.data)
        .filter((frame) => frame.channel === channel)
        .map(({ payload }) => payload),
    )
  }

  /** Output that was granted for a channel after its start. */
  granted(channel: number): number {
    return this.of(to.credit)
      .filter((frame) => frame.channel === channel)
      .reduce((sum, { payload }) => sum + Buffer.from(payload).readUInt32LE(), 0)
  }

  #read(bytes: Uint8Array): void {
    this.#held = Buffer.concat([this.#held, bytes])
    while (this.#held.length >= 9 && this.#held.length >= 9 + this.#held.readUInt32LE()) {
      const length = 9 + this.#held.readUInt32LE()
      const frame = {
        type: this.#held[4] ?? 0,
        channel: this.#held.readUInt32LE(5),
        payload: this.#held.subarray(9, length),
      }
      this.#held = this.#held.subarray(length)
      this.frames.push(frame)
      this.answer(frame)
    }
  }
}
