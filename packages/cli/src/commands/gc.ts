import { Effect, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { common, connected } from "../flags.ts"
import { GcReport, listOrphans, removeOrphans, settledAge } from "../orphans.ts"
import { ending, print, printJson, styled } from "../output.ts"

export const gc = Command.make(
  "gc",
  {
    ...common,
    dryRun: Flag.Boolean("dry-run").pipe(
      Flag.withAlias("n"),
      Flag.withDescription("Only say what would be removed"),
      Flag.withDefault(false),
    ),
    olderThan: Flag.String("older-than").pipe(
      Flag.withDescription(
        "Only networks of at least this age, such as '5 minutes'; 10 minutes by default, below which a program may hold one ready",
      ),
      Flag.withSchema(Schema.DurationFromString),
      Flag.withDefault(settledAge),
    ),
  },
  ({ host, json, dryRun, olderThan }) =>
    Effect.gen(function* () {
      const removed = dryRun ? yield* listOrphans(olderThan) : yield* removeOrphans(olderThan)
      if (json) yield* printJson(GcReport, { dryRun, removed })
      else if (removed.length === 0) yield* print(styled("dim", "Nothing is abandoned."))
      else {
        const verb = dryRun ? styled("yellow", "would remove") : styled("green", "removed")
        yield* print(
          removed.map(({ kind, name, reason }) => `${verb} ${kind} ${name}: ${reason}`).join("\n"),
        )
      }
      return 0
    }).pipe(Effect.provide(connected(host)), ending),
).pipe(
  Command.withDescription(
    "Removes what crashed programs left: networks without a sandbox, sandboxes stopped past their lease",
  ),
)
