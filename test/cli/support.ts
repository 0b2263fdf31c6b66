import { spawn } from "node:child_process"
import { join } from "node:path"
import { type Ended, runProgram, startProgram } from "../support/program.ts"

const bin = join(import.meta.dirname, "../../packages/cli/src/bin.ts")

interface Options {
  readonly stdin?: string
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
}

/** Starts the real command. */
export const start = (args: ReadonlyArray<string>) => startProgram(bin, args)

/** Runs the real command to its end, with standard input closed or with text in it. */
export const run = (
  args: ReadonlyArray<string>,
  { env, ...options }: Options = {},
): Promise<Ended> => runProgram(bin, args, { ...options, env: { ...process.env, ...env } })

/** The shell words that run the real command. */
const commandLine = (args: ReadonlyArray<string>) =>
  [process.execPath, "--conditions=@cordon/source", bin, ...args]
    .map((part) => `'${part.replaceAll("'", "'\\''")}'`)
    .join(" ")

/**
 * Starts the real command on a terminal of 90 columns and 30 rows, to be typed on: what it shows begins with the
 * terminal's path, and ends with the exit code and with what mode the command left it in.
 */
export const startOnTerminal = (args: ReadonlyArray<string>) => {
  const line = `tty; stty cols 90 rows 30; ${commandLine(args)}; echo "ended $?"; stty -a`
  const child = spawn("script", ["-qec", line, "/dev/null"], {
    env: { ...process.env, SHELL: "/bin/sh", TERM: "xterm-256color" },
    stdio: ["pipe", "pipe", "inherit"],
  })
  let output = ""
  const waiting = new Set<() => void>()
  const tell = () => {
    for (const look of waiting) look()
  }
  child.stdout.on("data", (chunk) => {
    output += chunk
    tell()
  })
  child.stdin.on("error", () => {})
  const ended = new Promise<string>((resolve) =>
    child.once("close", () => {
      tell()
      resolve(output)
    }),
  )
  return {
    type: (keys: string) => child.stdin.write(keys),
    ended,
    /** Waits until the terminal shows something; fails once the command has ended without. */
    shows: (pattern: RegExp) =>
      new Promise<RegExpExecArray>((resolve, reject) => {
        const look = () => {
          const found = pattern.exec(output)
          if (found === null && child.exitCode === null) return
          waiting.delete(look)
          if (found === null) reject(new Error(`${pattern} is not in ${JSON.stringify(output)}`))
          else resolve(found)
        }
        waiting.add(look)
        look()
      }),
  }
}

/** As `run`, on a terminal: `script` makes one, and mixes both outputs as a terminal does. */
export const runOnTerminal = (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string | undefined>> = {},
) =>
  new Promise<string>((resolve) => {
    const child = spawn("script", ["-qec", commandLine(args), "/dev/null"], {
      env: { ...process.env, TERM: "xterm-256color", ...env },
      stdio: ["ignore", "pipe", "inherit"],
    })
    let output = ""
    child.stdout.on("data", (chunk) => {
      output += chunk
    })
    child.once("close", () => resolve(output))
  })
