// Transfers a file, or nothing, and prints this process's peak resident memory in MiB.
import { createSandboxes, sessionFilesDirectory } from "@cordon/core"
import { docker } from "@cordon/driver-docker"

const [direction = "", folder = "", sessionId = "", name = ""] = process.argv.slice(2)
const files = sessionFilesDirectory(folder)
await using sandboxes = createSandboxes({
  driver: docker(),
  sessionId,
  files,
  removeOnClose: false,
})
const sandbox = await sandboxes.get(name)
if (direction === "upload") await sandbox.files.upload("big", "again")
else if (direction === "download") await sandbox.files.download("big", "back")
else await sandbox.files.stat("big")
console.log(process.resourceUsage().maxRSS / 1024)
