import { createSandboxes } from "@cordon/core"
import { docker } from "@cordon/driver-docker"

// The engine that the docker command would use; DOCKER_HOST names another.
await using sandboxes = createSandboxes({ driver: docker(), sessionId: "user-42" })
await using sandbox = await sandboxes.create({ limits: { memory: "512MiB" }, network: "none" })

await sandbox.files.write("primes.sh", "seq 2 30 | factor | awk 'NF == 2 { print $2 }' | xargs\n")
const { stdout } = await sandbox.run("sh primes.sh", { timeout: "10 seconds" })
console.log(`primes: ${stdout.trim()}`)

// A command that fails is a result; `run` in place of `exec` would reject.
const { exitCode, stderr } = await sandbox.exec("cat missing.txt")
console.log(`exit code ${exitCode}: ${stderr.trim()}`)
