/** Runs the init's file operations as a program of their own, and speaks their formats. */
import { execFileSync, spawn } from "node:child_process"
import * as fs from "node:fs"
import { constants, tmpdir } from "node:os"
import { join } from "node:path"
import { it } from "vitest"
import { skipped } from "../../test/support/skipped.ts"
import { needs } from "../../test/support/skips.ts"

const sources = ["io", "paths", "walk", "tree", "search", "watch", "files", "user"]
const src = join(import.meta.dirname, "../src")

const works = (command: string, ...args: ReadonlyArray<string>) => {
  try {
    execFileSync(command, args, { stdio: "ignore" })
    return true
  } catch {
    return false
  }
}

const isRoot = process.getuid?.() === 0

/** Why nothing here can run. */
export const unavailable =
  process.platform !== "linux"
    ? "the init is for Linux"
    : works("gcc", "--version")
      ? undefined
      : needs("a C compiler", "there is no gcc")

/** A test of the init, or of what it does for another user than root. */
export const check = (name: string, body: () => unknown, user?: "as root") => {
  const reason = unavailable ?? (user && !isRoot ? "the tests do not run as root" : undefined)
  if (reason !== undefined) return skipped(name, reason)
  it(name, async () => void (await body()))
}

export interface Result {
  /** The name of the errno, or empty. */
  readonly error: string
  readonly output: Buffer
}

export interface Options {
  readonly input?: Uint8Array
  readonly uid?: number
}

const errno = new Map(Object.entries(constants.errno).map(([name, code]) => [code, name]))

/** What is there where the standard libraries have no name for it. */
const more = new Map([[116, "ESTALE"]])

/** The operations, compiled with sanitizers, and a folder of one's own for each test. */
export const operations = () => {
  const home = fs.mkdtempSync(join(tmpdir(), "cordon-operations-"))
  fs.chmodSync(home, 0o755)
  const program = join(home, "operation")
  let compiled = false
  const compile = () => {
    if (compiled) return
    compiled = true
    const files = sources.map((name) => join(src, `${name}.c`))
    const flags = ["-std=c11", "-g", "-O1", "-Wall", "-Wextra", "-Werror"]
    const sanitize = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
    const main = join(import.meta.dirname, "operation.c")
    execFileSync("gcc", [...flags, ...sanitize, ...files, main, "-o", program])
  }

  const start = (args: ReadonlyArray<string | Buffer>, { uid }: Options = {}) => {
    compile()
    const names = args.map((arg) => (typeof arg === "string" ? arg : arg.toString("latin1")))
    // GCC 12's sanitizers crash where the kernel spreads addresses over 32 bits.
    return spawn("setarch", ["--addr-no-randomize", program, ...names], {
      cwd: "/",
      // A report is no errno; memory is the end of the process's to free.
      env: { ASAN_OPTIONS: "detect_leaks=0:exitcode=200", UBSAN_OPTIONS: "exitcode=200" },
      ...(uid === undefined ? {} : { uid, gid: uid }),
    })
  }

  const run = (args: ReadonlyArray<string>, options: Options = {}): Promise<Result> => {
    const child = start(args, options)
    const output: Array<Buffer> = []
    let report = ""
    child.stdout.on("data", (piece: Buffer) => output.push(piece))
    child.stderr.on("data", (piece: Buffer) => {
      report += piece
    })
    // One that refuses its arguments has read nothing.
    child.stdin.on("error", () => {})
    child.stdin.end(options.input)
    return new Promise((resolve, reject) => {
      child.on("error", reject)
      child.on("close", (code, signal) => {
        if (report !== "" || code === null || code >= 200) {
          reject(new Error(`${args.join(" ")}: ${code ?? signal}\n${report}`))
        } else {
          const error = code === 0 ? "" : (errno.get(code) ?? more.get(code) ?? String(code))
          resolve({ error, output: Buffer.concat(output) })
        }
      })
    })
  }

  let count = 0
  return {
    start,
    run,
    /** Runs and fails on an error. */
    ok: async (args: ReadonlyArray<string>, options: Options = {}) => {
      const { error, output } = await run(args, options)
      if (error !== "") throw new Error(`${args.join(" ").slice(0, 200)}: ${error}`)
      return output
    },
    folder: (uid?: number) => {
      const path = join(home, String(count++))
      fs.mkdirSync(path)
      if (uid !== undefined) fs.chownSync(path, uid, uid)
      return path
    },
    close: () => fs.rmSync(home, { recursive: true, force: true }),
  }
}

const u32 = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}

const str = (text: string | Uint8Array) => {
  const bytes = Buffer.from(text)
  return Buffer.concat([u32(bytes.length), bytes])
}

export const chunks = (...contents: ReadonlyArray<string | Uint8Array>) =>
  // An empty one would be the last.
  Buffer.concat([...contents.filter((content) => content.length > 0).map(str), u32(0)])

export interface Entry {
  readonly type: string
  readonly path: string | Uint8Array
  readonly mode?: number
  readonly uid?: number
  readonly gid?: number
  readonly size?: bigint
  readonly seconds?: bigint
  readonly nanoseconds?: number
  readonly target?: string | Uint8Array
}

export const entry = (of: Entry) => {
  const numbers = Buffer.alloc(41)
  numbers.write(of.type, 0, "latin1")
  numbers.writeUInt32LE(of.mode ?? 0o644, 1)
  numbers.writeUInt32LE(of.uid ?? 0, 5)
  numbers.writeUInt32LE(of.gid ?? 0, 9)
  numbers.writeBigUInt64LE(of.size ?? 0n, 13)
  numbers.writeBigInt64LE(of.seconds ?? 1n, 21)
  numbers.writeUInt32LE(of.nanoseconds ?? 0, 29)
  return str(Buffer.concat([numbers, str(of.path), str(of.target ?? "")]))
}

export const file = (path: string | Uint8Array, content: string, more: Partial<Entry> = {}) =>
  Buffer.concat([entry({ type: "f", path, ...more }), chunks(content)])

/** Reads what the operations print. */
export class Reader {
  readonly bytes: Buffer
  at = 0
  constructor(bytes: Buffer) {
    this.bytes = bytes
  }
  get done() {
    return this.at >= this.bytes.length
  }
  take(length: number) {
    if (this.at + length > this.bytes.length) throw new Error("it ends too early")
    this.at += length
    return this.bytes.subarray(this.at - length, this.at)
  }
  number() {
    return this.take(4).readUInt32LE()
  }
  string() {
    return this.take(this.number())
  }
  entry() {
    const fields = new Reader(this.string())
    const numbers = fields.take(41)
    const path = fields.string()
    return {
      type: numbers.toString("latin1", 0, 1),
      mode: numbers.readUInt32LE(1),
      uid: numbers.readUInt32LE(5),
      gid: numbers.readUInt32LE(9),
      size: numbers.readBigUInt64LE(13),
      seconds: numbers.readBigInt64LE(21),
      nanoseconds: numbers.readUInt32LE(29),
      inode: numbers.readBigUInt64LE(33),
      path: path.toString(),
      raw: path.toString("latin1"),
      target: fields.string().toString(),
    }
  }
  chunks() {
    const pieces: Array<Buffer> = []
    for (let piece = this.string(); piece.length > 0; piece = this.string()) pieces.push(piece)
    return Buffer.concat(pieces)
  }
  rest() {
    return this.take(this.bytes.length - this.at)
  }
}

export const entries = (bytes: Buffer) => {
  const reader = new Reader(bytes)
  const found: Array<ReturnType<Reader["entry"]>> = []
  while (!reader.done) found.push(reader.entry())
  return found
}
