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

/** As `run`, on a terminal: `script` makes one, and mixes both outputs as a terminal does. */
export const runOnTerminal = (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string | undefined>> = {},
) =>
  new Promise<string>((resolve) => {
    const line = [process.execPath, "--conditions=@cordon/source", bin, ...args]
      .map((part) => `'${part}'`)
      .join(" ")
    const child = spawn("script", ["-qec", line, "/dev/null"], {
      env: { ...process.env, TERM: "xterm-256color", ...env },
      stdio: ["ignore", "pipe", "inherit"],
    })
    let output = ""
    child.stdout.on("data", (chunk) => {
      output += chunk
    })
    child.once("close", () => resolve(output))
  })
