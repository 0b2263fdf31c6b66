// A process that creates a sandbox, prints its ID, and waits to be killed.
import { createSandboxes } from "@cordon/core"
import { docker } from "@cordon/driver-docker"

const [sessionId = "", image = ""] = process.argv.slice(2)
// The lease's terms stay with the sandbox: whoever finds it goes by them.
const terms = { idleTimeout: "2 seconds", removeTimeout: "5 seconds" } as const
const sandboxes = createSandboxes({ driver: docker(), sessionId, image, ...terms })
const sandbox = await sandboxes.create({ name: "orphan" })
console.log(sandbox.id)
setInterval(() => undefined, 1000)
