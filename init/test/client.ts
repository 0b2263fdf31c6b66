// A small, trusting client of docs/init-protocol.md: the tests of the init itself speak it byte by byte.
import { type Frame, frame, hello, parseHello, type Running, readFrame } from "./support.ts"

const number = (size: 1 | 2 | 4 | 8, value: number): Buffer => {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt(value))
  return bytes.subarray(0, size)
}

export const text = (value: string | Buffer): Buffer => {
  const bytes = Buffer.from(value)
  return Buffer.concat([number(4, bytes.length), bytes])
}

export const list = (values: ReadonlyArray<string>): Buffer =>
  Buffer.concat([number(4, values.length), ...values.map(text)])

export interface RunOptions {
  /** 1: terminal, 2: kept, 4: without the sandbox's environment, 8: no input. */
  readonly flags?: number
  readonly credit?: number
  readonly rows?: number
  readonly columns?: number
  readonly name?: string
  readonly user?: string
  readonly folder?: string
  readonly env?: ReadonlyArray<string>
  /** Of a kept process. */
  readonly description?: string
}

export const run = (argv: ReadonlyArray<string>, options: RunOptions = {}): Buffer =>
  Buffer.concat([
    number(1, 1),
    number(1, options.flags ?? 0),
    number(4, options.credit ?? 2 ** 24),
    number(2, options.rows ?? 24),
    number(2, options.columns ?? 80),
    text(options.name ?? ""),
    text(options.user ?? ""),
    text(options.folder ?? ""),
    list(argv),
    list(options.env ?? []),
    ...(options.description === undefined ? [] : [text(options.description)]),
  ])

export const operation = (argv: ReadonlyArray<string>, user = ""): Buffer =>
  Buffer.concat([number(1, 2), number(4, 2 ** 24), text(user), list(argv)])

export const dial = (port: number): Buffer =>
  Buffer.concat([number(1, 3), number(4, 2 ** 24), number(2, port)])

export const listen = (port: number): Buffer => Buffer.concat([number(1, 8), number(2, port)])

/** @param listener the channel that listens */
export const accept = (listener: number): Buffer =>
  Buffer.concat([number(1, 9), number(4, 2 ** 24), number(4, listener)])

export const attach = (name: string, position = 0, credit = 2 ** 24): Buffer =>
  Buffer.concat([number(1, 4), number(4, credit), number(8, position), text(name)])

export const processes = (): Buffer => Buffer.concat([number(1, 5), number(4, 2 ** 24)])

export const usage = (credit = 2 ** 24): Buffer => Buffer.concat([number(1, 7), number(4, credit)])

/** @param grace milliseconds */
export const forget = (name: string, stays = false, grace = 0): Buffer =>
  Buffer.concat([number(1, 6), text(name), number(1, stays ? 1 : 0), number(4, grace)])

export const parseUsage = (record: Buffer) => ({
  length: record.length,
  open: record.readUInt32LE(0),
  kept: record.readUInt32LE(4),
  quiet: Number(record.readBigUInt64LE(8)),
})

export interface Ending {
  readonly how: "exited" | "killed" | "failed" | "refused"
  readonly value: number
  readonly stage: number
  readonly outOfMemory: boolean
}

const hows = ["exited", "killed", "failed", "refused"] as const

const parseClosed = ({ payload }: Frame): Ending => ({
  how: hows[payload.readUInt8(0)] ?? "refused",
  value: payload.readUInt8(1),
  stage: payload.readUInt16LE(2),
  outOfMemory: (payload.readUInt32LE(4) & 1) === 1,
})

/** A channel, with what came on it so far. */
export class Channel {
  readonly number: number
  readonly output: Array<Buffer> = []
  readonly errors: Array<Buffer> = []
  /** Of a kept process: where what follows starts. */
  readonly positions: Array<bigint> = []
  pid = 0
  window = 0
  ended = false
  readonly closed: Promise<Ending>
  readonly #client: Client
  #resolve: (ending: Ending) => void = () => undefined
  #heard: () => void = () => undefined

  constructor(client: Client, channel: number) {
    this.#client = client
    this.number = channel
    this.closed = new Promise((resolve) => {
      this.#resolve = resolve
    })
  }

  get text(): string {
    return Buffer.concat(this.output).toString()
  }

  get bytes(): number {
    return this.output.reduce((sum, { length }) => sum + length, 0)
  }

  take(frame: Frame): void {
    const { type, payload } = frame
    if (type === 3) {
      this.pid = payload.readUInt32LE(0)
      this.window += payload.readUInt32LE(4)
    } else if (type === 4 && payload.readUInt8(0) === 0) {
      this.positions.push(payload.readBigUInt64LE(1))
    } else if (type === 4) {
      ;(payload.readUInt8(0) === 1 ? this.output : this.errors).push(payload.subarray(1))
    } else if (type === 5) this.ended = true
    else if (type === 6) this.window += payload.readUInt32LE(0)
    else if (type === 7) this.#resolve(parseClosed(frame))
    this.#heard()
  }

  /** Waits until it is so. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      await new Promise<void>((resolve) => {
        this.#heard = resolve
      })
    }
  }

  write(bytes: string | Buffer): this {
    return this.#send(4, Buffer.from(bytes))
  }
  end(): this {
    return this.#send(5)
  }
  credit(bytes: number): this {
    return this.#send(6, number(4, bytes))
  }
  signal(signal: number): this {
    return this.#send(7, number(1, signal))
  }
  kill(): this {
    return this.#send(8)
  }
  resize(rows: number, columns: number): this {
    return this.#send(9, Buffer.concat([number(2, rows), number(2, columns)]))
  }

  #send(type: number, payload: Uint8Array = new Uint8Array()): this {
    this.#client.send(type, this.number, payload)
    return this
  }
}

export interface Finished extends Ending {
  readonly output: string
  readonly errors: string
}

export class Client {
  readonly #running: Running
  readonly #channels = new Map<number, Channel>()
  readonly #pongs: Array<(payload: Buffer) => void> = []
  #next = 1
  /** Ends with the connection. */
  readonly done: Promise<void>
  hello: ReturnType<typeof parseHello> | undefined

  constructor(running: Running, removalSeconds = 0) {
    this.#running = running
    running.stdin.write(hello(1, 1, removalSeconds))
    this.done = this.#listen()
  }

  async #listen(): Promise<void> {
    for (;;) {
      const frame = await readFrame(this.#running).catch(() => undefined)
      if (frame === undefined) return
      if (frame.type === 1) this.hello = parseHello(frame)
      else if (frame.type === 2) this.#pongs.shift()?.(frame.payload)
      else this.#channels.get(frame.channel)?.take(frame)
    }
  }

  send(type: number, channel: number, payload: Uint8Array = new Uint8Array()): void {
    this.#running.stdin.write(frame(type, channel, payload))
  }

  /** Waits for the init's greeting. */
  async greeted(): Promise<this> {
    await this.ping(Buffer.alloc(8))
    return this
  }

  ping(content: Buffer): Promise<Buffer> {
    this.send(2, 0, content)
    return new Promise((resolve) => this.#pongs.push(resolve))
  }

  open(payload: Uint8Array): Channel {
    const channel = new Channel(this, this.#next++)
    this.#channels.set(channel.number, channel)
    this.send(3, channel.number, payload)
    return channel
  }

  /** A command without input, until its end. */
  async run(argv: ReadonlyArray<string>, options?: RunOptions): Promise<Finished> {
    return this.finish(this.open(run(argv, options)).end())
  }

  /** A script of sh, as `run`. */
  sh(script: string, options?: RunOptions): Promise<Finished> {
    return this.run(["sh", "-c", script], options)
  }

  async finish(channel: Channel): Promise<Finished> {
    const ending = await channel.closed
    return {
      ...ending,
      output: channel.text,
      errors: Buffer.concat(channel.errors).toString(),
    }
  }
}
