import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer, Logger } from "effect"
import { Command } from "effect/cli"
import { cordon } from "./cordon.ts"
import { manifest } from "./manifest.ts"

/** Runs the command of this process, which ends with its exit code. */
export const main = () => {
  // Who reads us may leave early (`cordon ps | head -n 1`): the write that fails ends the command.
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {})

  Command.run(cordon, { version: manifest.version }).pipe(
    // Standard output is for what was asked for.
    Effect.provide(Layer.merge(NodeServices.layer, Layer.succeed(Logger.LogToStderr, true))),
    NodeRuntime.runMain({ disableErrorReporting: true }),
  )
}
