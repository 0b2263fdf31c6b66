#!/usr/bin/env node
import { readFileSync } from "node:fs"
import * as NodeRuntime from "@effect/platform-node/NodeRuntime"
import * as NodeServices from "@effect/platform-node/NodeServices"
import { Effect, Layer, Logger, Schema } from "effect"
import { Command } from "effect/cli"
import { cordon } from "./cordon.ts"

const Manifest = Schema.fromJsonString(Schema.Struct({ version: Schema.String }))
const { version } = Schema.decodeUnknownSync(Manifest)(
  readFileSync(new URL("../package.json", import.meta.url), "utf8"),
)

// Who reads us may leave early (`cordon ps | head -n 1`): the write that fails ends the command.
for (const stream of [process.stdout, process.stderr]) stream.on("error", () => {})

Command.run(cordon, { version }).pipe(
  // Standard output is for what was asked for.
  Effect.provide(Layer.merge(NodeServices.layer, Layer.succeed(Logger.LogToStderr, true))),
  NodeRuntime.runMain({ disableErrorReporting: true }),
)
