// Makes a sandbox of each framework's provider and of ours, prints the containers, and waits to be killed.
import { frameworks } from "./frameworks.ts"
import { openOurs } from "./provider.ts"

const [mark = "", folder = "", sessionId = "", removeTimeout] = process.argv.slice(2)
const setting = { mark, folder, sessionId, env: {}, removeTimeout: Number(removeTimeout) }
const theirs = await Promise.all(
  frameworks.map(async (framework) => {
    const { container } = await framework.theirs(setting)
    await openOurs(framework, setting)
    return [framework.name, container] as const
  }),
)
console.log(JSON.stringify(Object.fromEntries(theirs)))
setInterval(() => {}, 60_000)
