import { once } from "node:events"
import { connect, createServer } from "node:net"

/** Serves a local socket over TCP. */
export const forward = async (path: string) => {
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const engine = connect({ path, allowHalfOpen: true })
    client.pipe(engine).pipe(client)
    for (const [one, other] of [
      [client, engine],
      [engine, client],
    ] as const) {
      one.on("error", () => other.destroy()).on("close", () => other.destroy())
    }
  })
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const address = server.address()
  if (address === null || typeof address === "string") throw new Error("no port")
  return {
    name: `tcp://127.0.0.1:${address.port}`,
    [Symbol.asyncDispose]: async () => {
      server.close()
    },
  }
}
