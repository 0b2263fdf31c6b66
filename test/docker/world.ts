import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { Effect } from "effect"

let worlds = 0

/**
 * A host behind the engine's, in a network namespace of its own, which serves HTTP on port 80 and says
 * which host it was asked for.
 *
 * @param gateway the engine's host's address on the wire between them, a /30
 */
export const serving = (address: string, gateway: string) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const name = `cordon-world-${process.pid}-${++worlds}`
      const wire = `ce${process.pid}-${worlds}`
      const ip = (line: string) => execFileSync("ip", line.split(" "))
      ip(`netns add ${name}`)
      ip(`link add ${wire} type veth peer name eth0 netns ${name}`)
      ip(`addr add ${gateway}/30 dev ${wire}`)
      ip(`link set ${wire} up`)
      ip(`-n ${name} addr add ${address}/30 dev eth0`)
      ip(`-n ${name} link set eth0 up`)
      ip(`-n ${name} route add default via ${gateway}`)
      const script = `
      const { createServer } = require("node:http")
      createServer((request, response) => response.end("served " + request.headers.host)).listen(80, () => console.log("up"))`
      const child = spawn("ip", ["netns", "exec", name, process.execPath, "-e", script], {
        stdio: ["ignore", "pipe", "inherit"],
      })
      await once(child.stdout, "data")
      return { name, wire, child }
    }),
    ({ name, wire, child }) =>
      Effect.promise(async () => {
        child.kill("SIGKILL")
        await once(child, "exit")
        // The kernel takes its time to free a namespace, and the wire's address with it.
        execFileSync("ip", ["link", "del", wire])
        execFileSync("ip", ["netns", "del", name])
      }),
  )
