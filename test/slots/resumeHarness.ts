// A process that resumes the session of a harness: prints what came of a turn.
import { createSandboxes } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { harnessAgent, sessionOf, tell } from "./harnessAgent.ts"

const [sessionId = "", chat = "", state = ""] = process.argv.slice(2)
await using sandboxes = createSandboxes({ driver: docker(), sessionId, removeOnClose: false })
const agent = harnessAgent(sandboxes)
const session = await sessionOf(agent, chat, JSON.parse(state))
console.log(await tell(agent, session, "cat work.txt"))
await session.detach()
