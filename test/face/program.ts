import { spawn } from "node:child_process"
import { join } from "node:path"

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program of `programs/` as a user runs one, to its end. */
export const runProgram = (name: string, ...args: ReadonlyArray<string>): Promise<Ended> => {
  const file = join(import.meta.dirname, "programs", `${name}.ts`)
  const child = spawn(process.execPath, ["--conditions=@cordon/source", file, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    // Only to end what hangs.
    timeout: 45_000,
    killSignal: "SIGKILL",
  })
  let stdout = ""
  let stderr = ""
  child.stdout.on("data", (chunk) => {
    stdout += chunk
  })
  child.stderr.on("data", (chunk) => {
    stderr += chunk
  })
  return new Promise((resolve) => child.once("close", (code) => resolve({ code, stdout, stderr })))
}
