import { Config, Effect } from "effect"
import { Command, Flag } from "effect/cli"
import { examine } from "../doctor/examine.ts"
import { type Check, DoctorReport } from "../doctor/report.ts"
import { common } from "../flags.ts"
import { ending, print, printJson, styled } from "../output.ts"

const marks = {
  ok: styled("green", "ok     "),
  warning: styled("yellow", "warning"),
  failed: styled(["red", "bold"], "failed "),
  skipped: styled("yellow", "skipped"),
} as const

const verdicts = {
  healthy: styled(["green", "bold"], "Sandboxes run here as they should."),
  limping: styled(["yellow", "bold"], "Sandboxes run here, with what is said above."),
  broken: styled(
    ["red", "bold"],
    "Sandboxes do not run here as they should: see what failed above.",
  ),
} as const

const lines = ({ name, status, detail, mend }: Check) => [
  `${marks[status]}  ${styled("bold", name)}: ${detail}`,
  ...(mend === undefined ? [] : [`         ${styled("cyan", mend)}`]),
]

export const doctor = Command.make(
  "doctor",
  {
    ...common,
    image: Flag.String("image").pipe(
      Flag.withDescription("Image to try limits and runtimes with; it is not pulled"),
      Flag.withFallbackConfig(Config.String("CONTAINER_SANDBOX_IMAGE")),
      Flag.withDefault("ubuntu:24.04"),
    ),
  },
  ({ host, json, image }) =>
    Effect.gen(function* () {
      const report = yield* examine(host, image)
      if (json) yield* printJson(DoctorReport, report)
      else yield* print([...report.checks.flatMap(lines), verdicts[report.verdict]].join("\n"))
      return report.verdict === "broken" ? 1 : 0
    }).pipe(ending),
).pipe(
  Command.withDescription(
    "Says whether sandboxes run here as they should, and what to do where they don't; exit code 1 if something failed",
  ),
)
