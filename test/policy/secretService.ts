import { once } from "node:events"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"

/** A service of the host that nobody is to reach through the engine. */
export const secretService = async () => {
  const asked: Array<string> = []
  const server = createServer((request, response) => {
    asked.push(request.url ?? "")
    response.writeHead(500, { "content-type": "application/json" })
    response.end('{"errors":[{"code":"X","message":"s3cret of the host"}]}')
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  return { port, asked, [Symbol.dispose]: () => void server.close() }
}
