// Sandboxes with promises. Run: node --conditions=@cordon/source examples/quickstart.ts
import { createSandboxes } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { memory } from "@cordon/driver-memory"

// No engine at hand? `CORDON_DRIVER=memory` runs the same program without one.
const driver = process.env["CORDON_DRIVER"] === "memory" ? memory() : docker()

await using sandboxes = createSandboxes({ driver, sessionId: "user-42" })
await using sandbox = await sandboxes.create({ limits: { memory: "512MiB" } })
await sandbox.files.write("hello.sh", 'echo "Hello from $1"')
const { stdout } = await sandbox.run("sh hello.sh Cordon", { timeout: "10 seconds" })
console.log(stdout.trim())
