// Has nothing else that keeps it alive while it waits for each kind of call.
import { createSandboxes } from "@cordon/core"
import { driverOf } from "./driver.ts"

const [driver, sessionId = "", image = ""] = process.argv.slice(2)
await using sandboxes = createSandboxes({
  driver: driverOf(driver),
  sessionId,
  image,
  network: "none",
})
await using sandbox = await sandboxes.create()
await sandbox.run("sleep 1")
console.log("run")
for await (const event of sandbox.execStream("sleep 1; echo x")) console.log(event._tag)
const { features } = await sandboxes.capabilities()
if (features.includes("terminals")) {
  await using terminal = await sandbox.terminal({ command: ["sleep", "1"] })
  console.log("terminal", await terminal.wait())
}
if (features.includes("processes")) {
  const process = await sandbox.processes.start("sleep 1; exit 3")
  console.log("process", await process.wait())
}
console.log("end of program")
