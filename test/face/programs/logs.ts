// A driver that has something to log, and a program that asks for the log in one way or another.
import { createSandboxes } from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { Effect, Layer } from "effect"

const talkative = memory().pipe(
  Layer.tap(() =>
    Effect.all([
      Effect.logDebug("A detail"),
      Effect.logInfo("Some news", { sandbox: "box-1" }),
      Effect.logWarning("A warning", { sandbox: "box-2" }),
    ]),
  ),
)
const ways = {
  silently: {},
  "to a function": { logger: (entry: object) => console.log(JSON.stringify(entry)) },
  "to a console": { logger: console },
  "to standard error": { logLevel: "warn" },
  "to a logger that throws": {
    logger: () => {
      throw new Error("the log is broken")
    },
  },
} as const
const way = Object.entries(ways).find(([name]) => name === process.argv[2])
await using sandboxes = createSandboxes({ driver: talkative, ...way?.[1] })
await sandboxes.list()
console.log("end of program")
