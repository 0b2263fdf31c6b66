import { spawn } from "node:child_process"
import { once } from "node:events"
import { drain } from "./RawEngine.ts"

/** Runs the `docker` command to its end and drops its output. */
export const dockerCli = async (...args: ReadonlyArray<string>): Promise<void> => {
  const child = spawn("docker", args, { stdio: ["ignore", "pipe", "pipe"] })
  const closed = once(child, "close")
  let problem = ""
  child.stderr.on("data", (chunk: Buffer) => {
    problem = (problem + chunk).slice(-1000)
  })
  await drain(child.stdout)
  await closed
  if (child.exitCode !== 0) throw new Error(`docker ${args.join(" ")}: ${problem}`)
}
