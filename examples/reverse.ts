// A sandbox without a network reaches one program of this machine. Needs Docker.
// Run: node --conditions=@cordon/source examples/reverse.ts
import { once } from "node:events"
import { createServer } from "node:http"
import { createSandboxes } from "@cordon/core"
import { docker } from "@cordon/driver-docker"

await using stack = new AsyncDisposableStack()
const service = createServer((_, response) => response.end("from the program")).listen(
  0,
  "127.0.0.1",
)
stack.defer(() => void service.close())
await once(service, "listening")
const address = service.address()
const localPort = typeof address === "object" && address !== null ? address.port : 0

await using sandboxes = createSandboxes({ driver: docker() })
await using sandbox = await sandboxes.create({ network: "none" })
await using database = await sandbox.ports.reverse(5432, { localPort })

const ask = `
  exec 3<>/dev/tcp/127.0.0.1/5432
  printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3
  tail -n 1 <&3`
const { stdout } = await sandbox.run(["bash", "-c", ask])
console.log(stdout)
await database.close()
