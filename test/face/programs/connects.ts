// Uses a sandbox that another program made, and lets go of it.
import { Sandbox } from "cordon"

await using box = await Sandbox.connect(JSON.parse(process.argv[2] ?? ""))
console.log(await box.files.readText("note"))
await box.files.write("answer", "from the other program")
