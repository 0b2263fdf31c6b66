// A process that creates a sandbox, prints its ID, and waits to be killed.
import { createSandboxes } from "@cordon/core"
import { docker } from "@cordon/driver-docker"

const [sessionId = "", image = ""] = process.argv.slice(2)
const sandboxes = createSandboxes({ driver: docker(), sessionId, image })
const sandbox = await sandboxes.create({ name: "orphan" })
console.log(sandbox.id)
setInterval(() => undefined, 1000)
