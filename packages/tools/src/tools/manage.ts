import { Effect, Schema } from "effect"
import { sandboxField, text } from "../fields.ts"
import { defineTool } from "../Tool.ts"

const action = Schema.Literals(["stop", "start", "remove"])

const statusAfter = { stop: "stopped", start: "running", remove: "removed" } as const

const meaning = {
  stopped: "Its files are kept; start it to go on.",
  running: "Processes that ran before a stop are gone.",
  removed: "Its files are gone.",
} as const

export const sandboxManage = defineTool({
  name: "sandbox_manage",
  title: "Stop, start or remove sandbox",
  description: `Stop, start or remove a sandbox. stop: ends its processes and keeps its files. start: starts it again after a stop; no effect on one that runs. remove: deletes it with all its files for good; download first what must be kept. Remove sandboxes that are no longer needed: a session may have only so many.
Example: {"sandbox": "web-1", "action": "remove"}`,
  annotations: { readOnly: false, destructive: true, idempotent: true, openWorld: false },
  input: Schema.Struct({
    sandbox: sandboxField,
    action: action.annotate({ description: "stop, start or remove." }),
  }),
  output: Schema.Struct({
    name: text("The sandbox's name."),
    action: action.annotate({ description: "What was done." }),
    status: Schema.Literals(["stopped", "running", "removed"]).annotate({
      description: "What it is now.",
    }),
  }),
  handler: Effect.fnUntraced(function* ({ sandbox: reference, action }, session) {
    const sandbox = yield* session.get(reference)
    yield* sandbox[action]
    return { name: sandbox.name, action, status: statusAfter[action] }
  }),
  render: ({ name, status }) => `Sandbox "${name}" is ${status}. ${meaning[status]}`,
})
