/**
 * The frames of `docs/init-protocol.md`, as a program writes and reads them. Integers are little-endian.
 */
import { ProtocolFault, type Stage, stages } from "./errors.ts"

/** The version of the protocol that this program speaks. */
export const version = 1
/** The most bytes of the payload of a frame, and of a `DATA` frame. */
export const maxPayload = 1024 * 1024
export const maxData = 64 * 1024
/** Bytes of a channel's input that may be sent before the init says how many. */
export const earlyInput = 16 * 1024

const headerBytes = 9
const nothing = new Uint8Array()
const magic = 0x4e444f43

const toInit = {
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
const fromInit = { hello: 1, pong: 2, opened: 3, data: 4, end: 5, credit: 6, closed: 7 }

const frame = (type: number, channel: number, length: number): Buffer => {
  const bytes = Buffer.allocUnsafe(headerBytes + length)
  bytes.writeUInt32LE(length)
  bytes[4] = type
  bytes.writeUInt32LE(channel, 5)
  return bytes
}

/** @param removalSeconds how long the sandbox lives without a connection; 0 leaves the current value */
export const hello = (removalSeconds: number): Buffer => {
  const bytes = frame(toInit.hello, 0, 12)
  bytes.writeUInt32LE(magic, 9)
  bytes.writeUInt16LE(version, 13)
  bytes.writeUInt16LE(version, 15)
  bytes.writeUInt32LE(removalSeconds, 17)
  return bytes
}

/** @param count returned in the answer */
export const ping = (count: number): Buffer => {
  const bytes = frame(toInit.ping, 0, 8)
  bytes.writeUInt32LE(count, 9)
  bytes.writeUInt32LE(0, 13)
  return bytes
}

/** @param request at most {@link maxPayload} bytes */
export const open = (channel: number, request: Uint8Array): Buffer => {
  const bytes = frame(toInit.open, channel, request.length)
  bytes.set(request, headerBytes)
  return bytes
}

/** @param input at most {@link maxData} bytes, which are copied */
export const data = (channel: number, input: Uint8Array): Buffer => {
  const bytes = frame(toInit.data, channel, input.length)
  bytes.set(input, headerBytes)
  return bytes
}

/** The header of a frame with so many bytes of input, at most {@link maxData}. */
export const dataHeader = (channel: number, length: number): Buffer => {
  const bytes = Buffer.allocUnsafe(headerBytes)
  bytes.writeUInt32LE(length)
  bytes[4] = toInit.data
  bytes.writeUInt32LE(channel, 5)
  return bytes
}

export const end = (channel: number): Buffer => frame(toInit.end, channel, 0)

export const credit = (channel: number, count: number): Buffer => {
  const bytes = frame(toInit.credit, channel, 4)
  bytes.writeUInt32LE(count, headerBytes)
  return bytes
}

export const signal = (channel: number, number: number): Buffer => {
  const bytes = frame(toInit.signal, channel, 1)
  bytes[headerBytes] = number
  return bytes
}

export const kill = (channel: number): Buffer => frame(toInit.kill, channel, 0)

export const resize = (channel: number, rows: number, columns: number): Buffer => {
  const bytes = frame(toInit.resize, channel, 4)
  bytes.writeUInt16LE(Math.min(rows, 0xffff), headerBytes)
  bytes.writeUInt16LE(Math.min(columns, 0xffff), headerBytes + 2)
  return bytes
}

/** An init's description of itself. */
export interface Hello {
  readonly version: number
  readonly build: number
  /** Hexadecimal; differs after each start of the container. */
  readonly bootId: string
  /** Milliseconds since it began. */
  readonly uptime: number
  readonly flags: number
}

const hows = ["exited", "signalled", "failed", "refused"] as const

/** How a channel ended. */
export interface Ending {
  readonly how: (typeof hows)[number]
  /** The exit code, the signal's number or an `errno`. */
  readonly value: number
  readonly stage: Stage
  /** Whether the kernel killed a process of the sandbox for want of memory meanwhile. */
  readonly oomKilled: boolean
}

/** Receives parsed frames. Each method may throw `ProtocolFault`. */
export interface FrameHandler {
  hello(hello: Hello): void
  /** @param count the count of the ping */
  pong(count: number): void
  /** @param pid 0 where there is no process */
  opened(channel: number, pid: number, credit: number): void
  /**
   * A piece of a `DATA` frame, as far as it has arrived. The parser does not keep it.
   *
   * @param stream 0 to 2
   */
  data(channel: number, stream: number, bytes: Uint8Array): void
  end(channel: number): void
  credit(channel: number, count: number): void
  closed(channel: number, ending: Ending): void
}

// The bytes of each type's payload that this version knows. Further bytes are ignored.
const known = [0, 32, 8, 8, 1, 0, 4, 8]

/**
 * Parses the output of an init. Pieces may end anywhere. Buffers at most a frame's fixed part:
 * output is passed on as it arrives.
 */
export class FrameParser {
  readonly #handler: FrameHandler
  readonly #fixed = Buffer.alloc(40)
  #have = 0
  #need = headerBytes
  #type = 0
  #channel = 0
  #stream = 0
  /** Bytes of the payload that are still missing after the fixed part. */
  #rest = 0
  #state: "header" | "fixed" | "rest" = "header"

  constructor(handler: FrameHandler) {
    this.#handler = handler
  }

  /** Throws `ProtocolFault` if the piece breaks the protocol; nothing may be pushed after that. */
  push(piece: Uint8Array): void {
    let at = 0
    while (at < piece.length) {
      if (this.#state === "rest") {
        const part = piece.subarray(at, at + this.#rest)
        at += part.length
        this.#rest -= part.length
        if (this.#type === fromInit.data) this.#handler.data(this.#channel, this.#stream, part)
        if (this.#rest === 0) this.#expectHeader()
        continue
      }
      const size = Math.min(this.#need - this.#have, piece.length - at)
      for (let n = 0; n < size; n++) this.#fixed[this.#have++] = piece[at++] ?? 0
      if (this.#have < this.#need) return
      if (this.#state === "header") this.#header()
      else this.#payload()
    }
  }

  #expectHeader(): void {
    this.#state = "header"
    this.#have = 0
    this.#need = headerBytes
  }

  #header(): void {
    const length = this.#fixed.readUInt32LE()
    const type = this.#fixed[4] ?? 0
    const channel = this.#fixed.readUInt32LE(5)
    const least = known[type]
    if (type === 0 || least === undefined) throw new ProtocolFault(`a frame of type ${type}`)
    if (length < least || length > (type === fromInit.data ? maxData : maxPayload)) {
      throw new ProtocolFault(`a frame of type ${type} with ${length} bytes`)
    }
    if ((channel === 0) !== (type === fromInit.hello || type === fromInit.pong)) {
      throw new ProtocolFault(`a frame of type ${type} for channel ${channel}`)
    }
    this.#type = type
    this.#channel = channel
    this.#state = "fixed"
    this.#have = 0
    this.#need = least
    this.#rest = length - least
    if (least === 0) this.#payload()
  }

  #payload(): void {
    if (this.#type === fromInit.data) this.#stream = this.#fixed[0] ?? 0
    else this.#deliver(this.#fixed)
    if (this.#stream > 2) throw new ProtocolFault(`output of stream ${this.#stream}`)
    if (this.#rest > 0) {
      this.#state = "rest"
      return
    }
    if (this.#type === fromInit.data) this.#handler.data(this.#channel, this.#stream, nothing)
    this.#expectHeader()
  }

  #deliver(payload: Buffer): void {
    const handler = this.#handler
    const channel = this.#channel
    if (this.#type === fromInit.hello) handler.hello(readHello(payload))
    else if (this.#type === fromInit.pong) handler.pong(payload.readUInt32LE())
    else if (this.#type === fromInit.opened) {
      handler.opened(channel, payload.readUInt32LE(), payload.readUInt32LE(4))
    } else if (this.#type === fromInit.end) handler.end(channel)
    else if (this.#type === fromInit.credit) handler.credit(channel, payload.readUInt32LE())
    else handler.closed(channel, readEnding(payload))
  }
}

const readHello = (payload: Buffer): Hello => {
  if (payload.readUInt32LE() !== magic)
    throw new ProtocolFault("a greeting that is not that of an init")
  return {
    version: payload.readUInt16LE(4),
    build: payload.readUInt16LE(6),
    bootId: payload.toString("hex", 8, 24),
    uptime: payload.readUInt32LE(24),
    flags: payload.readUInt32LE(28),
  }
}

const readEnding = (payload: Buffer): Ending => {
  const [how, value = 0] = [hows[payload[0] ?? 255], payload[1]]
  const stage = stages[payload.readUInt16LE(2)]
  if (how === undefined || stage === undefined) throw new ProtocolFault("an end of an unknown kind")
  if (how === "signalled" && (value === 0 || value > 64)) {
    throw new ProtocolFault(`an end by signal ${value}`)
  }
  return { how, value, stage, oomKilled: (payload.readUInt32LE(4) & 1) === 1 }
}
