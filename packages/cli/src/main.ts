import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer, Logger, Stdio } from "effect"
import { CliOutput, Command } from "effect/cli"
import { separateCommand } from "./commandLine.ts"
import { cordon } from "./cordon.ts"
import { manifest } from "./manifest.ts"
import { Ended, notRun } from "./output.ts"
import { presenter } from "./presenter.ts"

const run = Command.runWith(cordon, { version: manifest.version })

/** Runs the command of this process, which ends with its exit code. */
export const main = () => {
  // The reader of a pipe may leave early (`cordon ps | head -n 1`). The failed write then ends the
  // command.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {})

  Stdio.Stdio.use(({ args }) =>
    Effect.flatMap(args, (args) => run(separateCommand(args, cordon))),
  ).pipe(
    Effect.catchTag("ShowHelp", (error) =>
      Effect.fail(error.errors.length === 0 ? error : new Ended(notRun)),
    ),
    Effect.provideService(CliOutput.Presenter, presenter),
    // Standard output is only for the requested result.
    Effect.provide(Layer.merge(NodeServices.layer, Layer.succeed(Logger.LogToStderr, true))),
    NodeRuntime.runMain({ disableErrorReporting: true }),
  )
}
