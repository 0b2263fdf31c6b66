/** The payloads of `OPEN`: the requests to an init. */
import { InvalidInput } from "@cordon/core"
import { Effect } from "effect"
import { maxPayload } from "./frames.ts"

/** Builds the payload of an `OPEN`. */
class RequestWriter {
  readonly #parts: Array<Uint8Array> = []
  #length = 0

  /** Throws `RangeError` if the text has a NUL, which the protocol forbids. */
  text(text: string): this {
    if (text.includes("\0")) throw new RangeError("it holds a NUL")
    const bytes = Buffer.allocUnsafe(4 + Buffer.byteLength(text))
    bytes.writeUInt32LE(bytes.length - 4)
    bytes.write(text, 4)
    return this.#add(bytes)
  }

  list(texts: ReadonlyArray<string>): this {
    this.u32(texts.length)
    for (const text of texts) this.text(text)
    return this
  }

  u8(value: number): this {
    return this.#add(Uint8Array.of(value))
  }

  u16(value: number): this {
    const bytes = Buffer.allocUnsafe(2)
    bytes.writeUInt16LE(value)
    return this.#add(bytes)
  }

  u32(value: number): this {
    const bytes = Buffer.allocUnsafe(4)
    bytes.writeUInt32LE(value)
    return this.#add(bytes)
  }

  u64(value: number): this {
    const bytes = Buffer.allocUnsafe(8)
    bytes.writeBigUInt64LE(BigInt(value))
    return this.#add(bytes)
  }

  /** The payload. Throws `RangeError` if it does not fit into a frame. */
  done(): Buffer {
    if (this.#length > maxPayload) throw new RangeError("it is longer than 1 MiB")
    return Buffer.concat(this.#parts, this.#length)
  }

  #add(bytes: Uint8Array): this {
    this.#parts.push(bytes)
    this.#length += bytes.length
    return this
  }
}

/** Builds a request from the initial credit for output. */
export type Request = (credit: number) => Effect.Effect<Uint8Array, InvalidInput>

/** @param subject the kind of request, for people: `command` */
const request =
  (subject: string, kind: number, fill: (to: RequestWriter, credit: number) => unknown): Request =>
  (credit) =>
    Effect.try({
      try: () => {
        const to = new RequestWriter().u8(kind)
        fill(to, credit)
        return to.done()
      },
      catch: (cause) =>
        new InvalidInput({
          subject,
          issue: cause instanceof Error ? cause.message : String(cause),
        }),
    })

/** A program to run. */
export interface RunRequest {
  readonly argv: ReadonlyArray<string>
  /** Whether the only argument is a script, for bash or else sh. Default: false. */
  readonly script?: boolean
  /** A name, a number, or either with `:group`; root where absent. */
  readonly user?: string | undefined
  /** An absolute path. */
  readonly cwd: string
  /** Added to the environment of the sandbox: `NAME=value`, or `NAME` alone to remove a variable. */
  readonly env?: ReadonlyArray<string>
  /** Whether the environment is only `env`. Default: false. */
  readonly bare?: boolean
  /** Runs the program on a terminal of this size. */
  readonly terminal?: { readonly rows: number; readonly columns: number }
}

const flag = { terminal: 1, kept: 2, bare: 4, noInput: 8, script: 16 }

/** How a process is kept. */
export interface Keeping {
  readonly name: string
  /** A description for people; at most 1,024 bytes are kept. */
  readonly description: string
}

/**
 * @param input whether the program has an input
 * @param kept for a process that outlives its connection
 */
export const runRequest = (run: RunRequest, input: boolean, kept?: Keeping): Request =>
  request("command", 1, (to, credit) =>
    to
      .u8(
        (run.terminal === undefined ? 0 : flag.terminal) |
          (kept === undefined ? 0 : flag.kept) |
          (run.bare === true ? flag.bare : 0) |
          (input ? 0 : flag.noInput) |
          (run.script === true ? flag.script : 0),
      )
      .u32(credit)
      .u16(Math.min(run.terminal?.rows ?? 0, 0xffff))
      .u16(Math.min(run.terminal?.columns ?? 0, 0xffff))
      .text(kept?.name ?? "")
      .text(run.user ?? "")
      .text(run.cwd)
      .list(run.argv)
      .list(run.env ?? [])
      .text(kept?.description ?? ""),
  )

/** @param operation its name and its arguments */
export const fileRequest = (user: string, operation: ReadonlyArray<string>): Request =>
  request("path", 2, (to, credit) => to.u32(credit).text(user).list(operation))

export const dialRequest = (port: number): Request =>
  request("port", 3, (to, credit) => to.u32(credit).u16(port))

export const listenRequest = (port: number): Request => request("port", 8, (to) => to.u16(port))

/** @param listener the channel that listens */
export const acceptRequest = (listener: number): Request =>
  request("port", 9, (to, credit) => to.u32(credit).u32(listener))

/** @param position of the output, in bytes from its start */
export const attachRequest = (name: string, position: number): Request =>
  request("process", 4, (to, credit) => to.u32(credit).u64(position).text(name))

export const processesRequest: Request = request("request", 5, (to, credit) => to.u32(credit))

/**
 * @param keep whether the process's name and log stay
 * @param grace milliseconds that the process has to end by itself
 */
export const forgetRequest = (name: string, keep: boolean, grace: number): Request =>
  request("process", 6, (to) =>
    to
      .text(name)
      .u8(keep ? 1 : 0)
      .u32(grace),
  )

export const usageRequest: Request = request("request", 7, (to, credit) => to.u32(credit))
