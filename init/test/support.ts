// Runs the shipped programs as process 1 of a PID namespace, over pipes.
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from "node:child_process"
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { Readable, Writable } from "node:stream"
import { Effect } from "effect"
import { describe } from "vitest"
import { type Architecture, initProgram } from "../../packages/init/src/index.ts"
import { skipped } from "../../test/support/skipped.ts"
import { needs } from "../../test/support/skips.ts"

/** A program that runs as process 1. Disposing of it ends it with all that it started. */
export interface Running extends AsyncDisposable {
  readonly stdin: Writable
  readonly stdout: Readable
  /** Of `unshare`, which is the parent of process 1. */
  readonly pid: number
  /** How it ended; as a shell says it: 128 and the signal's number for a signal. */
  readonly exited: Promise<number | null>
  /** The next bytes that it wrote, `count` of them; fails where there are no more. */
  readonly read: (count: number) => Promise<Buffer>
  /** All that it wrote to standard error so far. */
  readonly errors: () => string
}

/** Process 1, to which others can connect as the engine's exec call does. */
export interface Init extends Running {
  /** Starts `cordon-init connect` from outside. It needs a network namespace of the init's own. */
  readonly connect: () => Running
  /** Sends process 1 a signal from outside, as the engine's kill call does. Its first frame must have come. */
  readonly kill: (signal: number) => void
}

export interface StartOptions {
  readonly args?: ReadonlyArray<string>
  readonly env?: NodeJS.ProcessEnv
  /** More for `unshare`, as `--net`. */
  readonly unshare?: ReadonlyArray<string>
  /** A script of sh that comes before the program, in its namespaces. */
  readonly before?: string
  /** A file or a named pipe that the program writes to, in place of `stdout`. */
  readonly output?: string
}

export interface Program {
  readonly architecture: Architecture
  /** Where the executable is, for tests that run it in their own way: with what comes before it. */
  readonly command: ReadonlyArray<string>
  /** Why it can't run here; undefined where it can. */
  readonly unavailable: string | undefined
  readonly start: (options?: StartOptions) => Init
}

const folder = mkdtempSync(join(tmpdir(), "cordon-init-"))
process.once("exit", () => rmSync(folder, { recursive: true, force: true }))

const namespaces = ["--pid", "--fork", "--kill-child", "--mount-proc"]

const runs = (program: string, ...args: ReadonlyArray<string>) =>
  spawnSync(program, args, { stdio: "ignore" }).status === 0

const noNamespace = runs("unshare", ...namespaces, "true")
  ? undefined
  : needs("a PID namespace", "unshare may not make one here (it takes root)")

const machine = { amd64: "x86_64", arm64: "aarch64" } as const
const native: Architecture = process.arch === "arm64" ? "arm64" : "amd64"

const makeProgram = async (architecture: Architecture): Promise<Program> => {
  const file = join(folder, `cordon-init-${architecture}`)
  writeFileSync(file, await Effect.runPromise(initProgram(architecture)))
  chmodSync(file, 0o755)
  const emulator = `qemu-${machine[architecture]}-static`
  const noEmulator =
    architecture === native || runs(emulator, "--version")
      ? undefined
      : needs("an emulator", `there is no ${emulator} (Debian: apt-get install qemu-user-static)`)
  const command = architecture === native ? [file] : [emulator, file]
  return {
    architecture,
    command,
    unavailable: noNamespace ?? noEmulator,
    start: (options = {}) => start(command, options),
  }
}

const start = (command: ReadonlyArray<string>, options: StartOptions): Init => {
  const { args = [], env = process.env, unshare = [], output, before = "" } = options
  const redirect = output === undefined ? "" : 'exec >"$0"'
  const redirected = ["sh", "-ec", `${before}\n${redirect}\nexec "$@"`, output ?? "sh"]
  const started = [...redirected, ...command, ...args]
  const running = follow(spawn("unshare", [...namespaces, ...unshare, "--", ...started], { env }))
  const enter = () => ["--target", String(processOne(running.pid)), "--pid", "--net", "--"]
  return {
    ...running,
    connect: () => follow(spawn("nsenter", [...enter(), ...command, "connect"])),
    kill: (signal) => void process.kill(processOne(running.pid), signal),
  }
}

/** The process ID that process 1 has outside. */
const processOne = (unshare: number): number =>
  Number(readFileSync(`/proc/${unshare}/task/${unshare}/children`, "utf8"))

const follow = (child: ChildProcessWithoutNullStreams): Running => {
  const errors: Array<Buffer> = []
  child.stderr.on("data", (chunk: Buffer) => errors.push(chunk))
  // A program that has ended takes no more input: the test sees that in what it reads.
  child.stdin.on("error", () => undefined)
  const exited = new Promise<number | null>((resolve) =>
    child.once("close", (code) => resolve(code)),
  )
  const said = () => Buffer.concat(errors).toString()
  return {
    stdin: child.stdin,
    stdout: child.stdout,
    pid: child.pid ?? 0,
    exited,
    read: reader(child.stdout, said),
    errors: said,
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL")
      await exited
    },
  }
}

/** Reads exact numbers of bytes, one call after the other. */
const reader = (stream: Readable, said: () => string) => {
  let held = Buffer.alloc(0)
  const chunks = stream.iterator({ destroyOnReturn: false })
  return async (count: number): Promise<Buffer> => {
    while (held.length < count) {
      const { done = false, value } = await chunks.next()
      if (done) throw new Error(`it ended after ${held.length} of ${count} bytes: ${said()}`)
      held = Buffer.concat([held, value])
    }
    const taken = held.subarray(0, count)
    held = held.subarray(count)
    return taken
  }
}

/** The shipped programs: that of this machine, and the other one under an emulator. */
export const programs = (): Promise<ReadonlyArray<Program>> =>
  Promise.all([makeProgram("amd64"), makeProgram("arm64")])

/** A suite for each program; one that can't run here is a skipped test with the reason. */
export const onEachProgram = async (
  title: string,
  suite: (program: Program) => void,
): Promise<void> => {
  for (const program of await programs()) {
    const name = `${title} on ${program.architecture}`
    if (program.unavailable === undefined) describe(name, () => suite(program))
    else skipped(name, program.unavailable)
  }
}

/** A frame of docs/init-protocol.md. */
export interface Frame {
  readonly type: number
  readonly channel: number
  readonly payload: Buffer
}

export const frame = (type: number, channel: number, payload: Uint8Array): Buffer => {
  const header = Buffer.alloc(9)
  header.writeUInt32LE(payload.length, 0)
  header.writeUInt8(type, 4)
  header.writeUInt32LE(channel, 5)
  return Buffer.concat([header, payload])
}

export const readFrame = async ({ read }: Running): Promise<Frame> => {
  const header = await read(9)
  return {
    type: header.readUInt8(4),
    channel: header.readUInt32LE(5),
    payload: await read(header.readUInt32LE(0)),
  }
}

const magic = 0x4e444f43

/** The first frame of a program. */
export const hello = (lowest = 1, highest = 1, removalSeconds = 0): Buffer => {
  const payload = Buffer.alloc(12)
  payload.writeUInt32LE(magic, 0)
  payload.writeUInt16LE(lowest, 4)
  payload.writeUInt16LE(highest, 6)
  payload.writeUInt32LE(removalSeconds, 8)
  return frame(1, 0, payload)
}

/** The first frame of the init. */
export const parseHello = ({ payload }: Frame) => ({
  magic: payload.readUInt32LE(0),
  version: payload.readUInt16LE(4),
  build: payload.readUInt16LE(6),
  bootId: payload.subarray(8, 24).toString("hex"),
  sinceStart: payload.readUInt32LE(24),
  flags: payload.readUInt32LE(28),
})
