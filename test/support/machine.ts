import { execFileSync } from "node:child_process"
import { createServer } from "node:net"
import { portOf } from "./portOf.ts"

/** Whether a command is on the PATH. */
export const isOnPath = (command: string): boolean => {
  try {
    execFileSync("which", [command], { stdio: "ignore" })
    return true
  } catch {
    return false
  }
}

/** A port of the loopback interface that nothing listens on now. */
export const freePort = () =>
  new Promise<number>((resolve, reject) => {
    const server = createServer()
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const port = portOf(server)
      server.close(() => resolve(port))
    })
  })
