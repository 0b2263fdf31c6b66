// Uses what a program can use, and does not close it.
import { createSandboxes } from "@cordon/core"
import { driverOf } from "./driver.ts"

const [driver, sessionId = "", image = "", removeTimeout] = process.argv.slice(2)
const sandboxes = createSandboxes({
  driver: driverOf(driver),
  sessionId,
  image,
  network: "none",
  ...(removeTimeout === undefined
    ? {}
    : { idleTimeout: Number(removeTimeout), removeTimeout: Number(removeTimeout) }),
})
const sandbox = await sandboxes.create({ name: "forgotten" })
console.log((await sandbox.run("echo first")).stdout.trim())
await sandbox.files.write("notes.txt", "some")
for await (const event of sandbox.execStream("echo second")) if (event._tag === "Stdout") break
const left = sandbox.execStream("sleep 600")[Symbol.asyncIterator]()
void left
const features = removeTimeout === undefined ? (await sandboxes.capabilities()).features : []
if (features.includes("terminals")) await sandbox.terminal()
if (features.includes("processes")) {
  await sandbox.processes.start("sleep 600")
  const watch = sandbox.files.watch()[Symbol.asyncIterator]()
  await watch.next()
}
console.log("end of program")
