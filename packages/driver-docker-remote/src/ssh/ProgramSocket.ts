import type { ChildProcessByStdio } from "node:child_process"
import { Socket } from "node:net"
import type { Readable, Writable } from "node:stream"
import { writeTogether } from "@cordon/driver-docker/engine"

/** A program that is spoken to over its standard input and output. */
export type Program = ChildProcessByStdio<Writable, Readable, Readable>

type Done = (error?: Error | null) => void

/** A socket over a program: writes go to its input, reads come from its output. */
export class ProgramSocket extends Socket {
  readonly #program: Program

  constructor(program: Program) {
    super({ allowHalfOpen: true })
    this.#program = program
    const { stdin, stdout, stderr } = program
    stdout.on("data", (piece: Buffer) => {
      if (!this.push(piece)) stdout.pause()
    })
    stdout.on("end", () => this.push(null))
    for (const stream of [stdin, stdout]) stream.on("error", (cause) => this.destroy(cause))
    stderr.on("error", () => {})
    // Once the connection works, the program's messages are dropped.
    stderr.resume()
    program.on("error", (cause) => this.destroy(cause))
  }

  override _read(): void {
    this.#program.stdout.resume()
  }

  override _write(piece: Uint8Array, _encoding: BufferEncoding, done: Done): void {
    this.#program.stdin.write(piece, done)
  }

  override _writev(pieces: ReadonlyArray<{ readonly chunk: Uint8Array }>, done: Done): void {
    writeTogether(
      this.#program.stdin,
      pieces.map(({ chunk }) => chunk),
      done,
    )
  }

  override _final(done: Done): void {
    this.#program.stdin.end(() => done())
  }

  // The program is not killed: with a shared connection (ControlMaster), others may use it.
  override _destroy(cause: Error | null, done: Done): void {
    const { stdin, stdout, stderr } = this.#program
    for (const stream of [stdin, stdout, stderr]) stream.destroy()
    this.#program.unref()
    done(cause)
    // A socket emits this when its handle is closed, but this one has no handle.
    process.nextTick(() => this.emit("close", cause !== null))
  }

  override ref(): this {
    hold(this.#program, true)
    return this
  }

  override unref(): this {
    hold(this.#program, false)
    return this
  }
}

/** Sets whether a program and its output keep this process alive. */
export const hold = (program: Program, holds: boolean): void => {
  const act = holds ? "ref" : "unref"
  program[act]()
  for (const stream of [program.stdin, program.stdout, program.stderr]) {
    if (stream instanceof Socket) stream[act]()
  }
}
