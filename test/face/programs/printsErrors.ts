// Prints errors in each way that programs do. The lines that fail are told by their marks.
import { createSandboxes } from "@cordon/core"
import { memory } from "@cordon/driver-memory"

await using sandboxes = createSandboxes({ driver: memory() })
await using sandbox = await sandboxes.create()

const readNotes = async () => {
  await sandbox.files.readText("notes.txt") // mark: read
}
const runCheck = () => sandbox.run("echo 5ecret; echo broken >&2; exit 9") // mark: run
const follow = async () => {
  for await (const piece of sandbox.files.stream("nothing")) console.log(piece) // mark: stream
}

for (const fail of [readNotes, runCheck, follow]) {
  try {
    await fail()
  } catch (error) {
    console.log(`=== ${fail.name}`)
    console.log(error)
    console.log(`text: ${error}`)
    console.log(`json: ${JSON.stringify({ error })}`)
  }
}
await runCheck()
