import { formatMemory, SandboxDriver, SandboxInfo } from "@cordon/core"
import { Clock, Effect, Schema } from "effect"
import { Command, Flag } from "effect/cli"
import { sessionFlag, sessionOf } from "../find.ts"
import { common, connected } from "../flags.ts"
import { harmless } from "../harmless.ts"
import { age, ending, print, printJson, styled, table } from "../output.ts"

/** The output of `cordon ps --json`. */
export const PsReport = Schema.Array(Schema.toCodecJson(SandboxInfo))

const row = (now: number, box: SandboxInfo) => [
  box.name,
  box.status,
  box.image,
  box.runtime,
  `${formatMemory(box.limits.memory)}, ${box.limits.cpus} CPU, ${box.limits.pids} pids`,
  box.network,
  age(now - box.createdAt.getTime()),
  box.id,
]
const heading = ["NAME", "STATUS", "IMAGE", "RUNTIME", "LIMITS", "NETWORK", "AGE", "ID"]

export const ps = Command.make(
  "ps",
  {
    ...common,
    session: sessionFlag,
    quiet: Flag.Boolean("quiet").pipe(
      Flag.withAlias("q"),
      Flag.withDescription("Print IDs only"),
      Flag.withDefault(false),
    ),
    names: Flag.Boolean("names").pipe(
      Flag.withDescription("Print names only"),
      Flag.withDefault(false),
    ),
    all: Flag.Boolean("all").pipe(
      Flag.withAlias("a"),
      Flag.withDescription("As without it: stopped ones are always listed"),
      Flag.withDefault(false),
    ),
  },
  ({ host, json, session, quiet, names }) =>
    Effect.gen(function* () {
      const driver = yield* SandboxDriver
      const boxes = yield* driver.list(yield* sessionOf(session))
      if (json) yield* printJson(PsReport, boxes)
      else if (quiet || names) {
        const lines = boxes.map((box) => harmless(names ? box.name : box.id))
        yield* lines.length === 0 ? Effect.void : print(lines.join("\n"))
      } else if (boxes.length === 0) yield* print(styled("dim", "There are no sandboxes."))
      else {
        const now = yield* Clock.currentTimeMillis
        yield* print(table([heading, ...boxes.map((box) => row(now, box))]))
      }
      return 0
    }).pipe(Effect.provide(connected(host)), ending),
).pipe(
  Command.withAlias("ls"),
  Command.withDescription("Lists the sandboxes on the engine, oldest first"),
)
