// The first minute: nothing is configured, closed or awaited but the sandbox.
import { Sandbox } from "cordon"

await using box = await Sandbox.create()
await box.files.write("hello.sh", 'echo "hello from $(uname -s)"')
console.log((await box.run("sh hello.sh")).stdout.trim())
console.log((await Sandbox.list()).length)
