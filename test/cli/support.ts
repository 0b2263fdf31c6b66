import { spawn } from "node:child_process"
import { join } from "node:path"

const bin = join(import.meta.dirname, "../../packages/cli/src/bin.ts")
const command = [process.execPath, "--conditions=@cordon/source", bin] as const

export interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Starts the real command. */
export const start = (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string>> = {},
  cwd = process.cwd(),
) => {
  const [node, ...rest] = command
  const child = spawn(node, [...rest, ...args], { cwd, env: { ...process.env, ...env } })
  let stdout = ""
  let stderr = ""
  child.stdout.on("data", (chunk) => {
    stdout += chunk
  })
  child.stderr.on("data", (chunk) => {
    stderr += chunk
  })
  const done = new Promise<Ran>((resolve) =>
    child.once("close", (code) => resolve({ code, stdout, stderr })),
  )
  return { child, done, stdout: () => stdout }
}

/** Runs the real command to its end, with standard input closed or with text in it. */
export const run = (
  args: ReadonlyArray<string>,
  {
    stdin = "",
    env = {},
    cwd,
  }: { stdin?: string; env?: Readonly<Record<string, string>>; cwd?: string } = {},
): Promise<Ran> => {
  const { child, done } = start(args, env, cwd)
  child.stdin.on("error", () => {})
  child.stdin.end(stdin)
  return done
}

/** As `run`, on a terminal: `script` makes one, and mixes both outputs as a terminal does. */
export const runOnTerminal = (
  args: ReadonlyArray<string>,
  env: Readonly<Record<string, string | undefined>> = {},
) =>
  new Promise<string>((resolve) => {
    const line = [...command, ...args].map((part) => `'${part}'`).join(" ")
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
