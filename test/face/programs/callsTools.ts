// A toolset that nobody closes, and a call that nothing else waits for.
import { createTools } from "@cordon/tools"
import { driverOf } from "./driver.ts"

const [driver, sessionId = "", image = ""] = process.argv.slice(2)
const { byName } = createTools({ driver: driverOf(driver), sessionId, image, network: "none" })
await byName.sandbox_create.execute({ name: "forgotten" })
const { text } = await byName.sandbox_exec.execute({
  sandbox: "forgotten",
  command: "sleep 2; echo done",
})
console.log(text)
