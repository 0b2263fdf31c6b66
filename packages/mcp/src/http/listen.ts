import type { Server } from "node:http"
import { InvalidInput } from "@cordon/core"
import { Effect, type Scope } from "effect"

/** Serves on an address until the scope ends. @returns the port, which the system chose if 0 was asked for */
export const listen = (
  server: Server,
  host: string,
  port: number,
): Effect.Effect<number, InvalidInput, Scope.Scope> =>
  Effect.acquireRelease(begin(server, host, port), () => end(server)).pipe(
    Effect.map(() => portOf(server)),
  )

const begin = (server: Server, host: string, port: number) =>
  Effect.callback<void, InvalidInput>((resume) => {
    server.once("error", (error) =>
      resume(
        Effect.fail(
          new InvalidInput({
            subject: "host and port",
            issue: `the server can't listen on ${host}, port ${port} (${error.message}); choose others.`,
          }),
        ),
      ),
    )
    server.listen(port, host, () => resume(Effect.void))
  })

const end = (server: Server) =>
  Effect.callback<void>((resume) => {
    server.close(() => resume(Effect.void))
    server.closeAllConnections()
  })

const portOf = (server: Server) => {
  const address = server.address()
  return address === null || typeof address === "string" ? 0 : address.port
}
