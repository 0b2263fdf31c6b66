import { createServer, type Socket } from "node:net"
import { Effect, FiberSet } from "effect"
import { InvalidInput } from "../../errors.ts"
import type { SandboxContext } from "../context.ts"
import { relay } from "./relay.ts"

// A sandbox has channels for some hundreds of connections and commands together.
const maxConnections = 64

/**
 * Listens on 127.0.0.1 of this machine until the scope closes, and connects each connection to a port of a sandbox.
 *
 * @param local the port here; 0 for any free one
 * @returns the port here
 */
export const exposeOn = Effect.fnUntraced(function* (
  { id, driver, use }: Pick<SandboxContext, "id" | "driver" | "use">,
  port: number,
  local: number,
) {
  const relayed = (socket: Socket) =>
    use(relay(socket, driver.dial(id, port))).pipe(
      Effect.catch((error) =>
        Effect.logDebug("A connection broke", { port, error: error.message }),
      ),
      Effect.ensuring(Effect.sync(() => socket.destroy())),
    )
  const fork = yield* FiberSet.makeRuntime()
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on("error", () => socket.destroy())
    fork(relayed(socket))
  })
  server.maxConnections = maxConnections
  yield* Effect.acquireRelease(
    Effect.callback<void, InvalidInput>((resume) => {
      server.once("error", (cause) =>
        resume(Effect.fail(new InvalidInput({ subject: "local port", issue: cause.message }))),
      )
      server.listen(local, "127.0.0.1", () => resume(Effect.void))
    }),
    () => Effect.sync(() => server.close()),
  )
  const address = server.address()
  return typeof address === "object" && address !== null ? address.port : local
})
