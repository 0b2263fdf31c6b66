import { Effect, Schema } from "effect"
import { optional, sandboxField } from "../fields.ts"
import { defineTool } from "../Tool.ts"

const mostWait = 300

export const sandboxPorts = defineTool({
  name: "sandbox_ports",
  title: "List ports",
  description: `List the TCP ports that programs in a sandbox listen on and that can be connected to at 127.0.0.1 in it. With wait_for it waits first until something listens on that port: use it after you started a server, in place of sleep. To ask the server use sandbox_exec (curl http://127.0.0.1:8080/).
Example: {"sandbox": "web-1", "wait_for": 8080}`,
  annotations: { readOnly: true, destructive: false, idempotent: true, openWorld: false },
  input: Schema.Struct({
    sandbox: sandboxField,
    wait_for: optional(
      Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 65_535 }))).annotate({
        description: "A port to wait for.",
      }),
    ),
    timeout_seconds: optional(
      Schema.Finite.pipe(
        Schema.check(Schema.isBetween({ minimum: 1, maximum: mostWait })),
      ).annotate({ description: `How long to wait for it, 1 to ${mostWait}. Default 30.` }),
    ),
  }),
  output: Schema.Struct({
    ports: Schema.Array(Schema.Int).annotate({ description: "In order." }),
  }),
  handler: Effect.fnUntraced(function* ({ sandbox, wait_for, timeout_seconds = 30 }, session) {
    const { ports } = yield* session.get(sandbox)
    if (wait_for !== undefined) yield* ports.wait(wait_for, { timeout: timeout_seconds * 1000 })
    return { ports: yield* ports.list }
  }),
  render: ({ ports }) =>
    ports.length === 0
      ? "Nothing listens on a port in this sandbox."
      : `Listened on: ${ports.join(", ")}`,
})
