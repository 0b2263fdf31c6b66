// A process that finds the sandbox of another one and goes on in it: prints what the model says in the end.
import { createSandboxes } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { resumed, type Slot } from "./slot.ts"

const [name = "", sessionId = ""] = process.argv.slice(2)
const { slot }: { readonly slot: Slot } = await import(`./${name}.ts`)
await using sandboxes = createSandboxes({ driver: docker(), sessionId, removeOnClose: false })
const sandbox = await sandboxes.get("code")
const never = new AbortController().signal
console.log(await slot.run(sandbox, resumed(slot), never, sandboxes))
