import { Clock, Effect, Schema } from "effect"
import { describe, optional, sandboxFields, showLimits, showSeconds } from "../fields.ts"
import { defineTool } from "../Tool.ts"

const status = Schema.Literals(["running", "stopped"])

const output = Schema.Struct({
  sandboxes: Schema.Array(
    Schema.Struct({
      ...sandboxFields,
      age_seconds: Schema.Finite.annotate({ description: "Seconds since it was created." }),
    }),
  ).annotate({ description: "Oldest first." }),
})

export const sandboxList = defineTool({
  name: "sandbox_list",
  title: "List sandboxes",
  description: `List the sandboxes of this session, oldest first, with status, image, limits and age. Use it to find one to go on with before you create another, and when a name is not found. Without fields, {}, it lists all.`,
  annotations: { readOnly: true, destructive: false, idempotent: true, openWorld: false },
  input: Schema.Struct({
    status: optional(
      status.annotate({ description: "Only those with this status; all by default." }),
    ),
  }),
  output,
  handler: Effect.fnUntraced(function* ({ status }, session) {
    const now = yield* Clock.currentTimeMillis
    const sandboxes = (yield* session.list).filter(
      (info) => status === undefined || info.status === status,
    )
    return {
      sandboxes: sandboxes.map((info) => ({
        ...describe(info),
        age_seconds: Math.max(0, Math.round((now - info.createdAt.getTime()) / 1000)),
      })),
    }
  }),
  render: ({ sandboxes }) =>
    sandboxes.length === 0
      ? "There are no such sandboxes in this session. sandbox_create makes one."
      : sandboxes
          .map(
            (box) =>
              `${box.name}: ${box.status}, ${box.image}, ${box.runtime}, ${showLimits(box.limits)}, network ${box.network}, ${box.workdir}, created ${showSeconds(box.age_seconds)} ago`,
          )
          .join("\n"),
})
