// Wants the sandbox of a name, whoever makes it, and tells which one it got.
import { Sandbox } from "cordon"

const [session = "", name = ""] = process.argv.slice(2)
await using box = await Sandbox.getOrCreate(name, { session })
await box.run("true")
console.log(box.info.instanceId)
