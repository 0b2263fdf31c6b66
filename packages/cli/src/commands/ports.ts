import { FilePath, listeningPorts, listeningTables, SandboxDriver } from "@cordon/core"
import { Effect, Schema, Stream } from "effect"
import { Command } from "effect/cli"
import { findSandbox, sandboxArgument, sessionFlag } from "../find.ts"
import { common, connected } from "../flags.ts"
import { ending, print, printJson } from "../output.ts"

/** The output of `cordon ports --json`. */
export const PortsReport = Schema.Array(Schema.Int)

// Bytes of a table of sockets. The kernel lists those first that listen.
const maxTable = 1024 * 1024

export const ports = Command.make(
  "ports",
  { ...common, session: sessionFlag, sandbox: sandboxArgument },
  ({ host, json, session, sandbox }) =>
    Effect.gen(function* () {
      const driver = yield* SandboxDriver
      const { id } = yield* findSandbox(sandbox, session)
      const found = yield* Effect.forEach(listeningTables, (path) =>
        driver.readFile(id, FilePath.make(path), { length: maxTable }).pipe(
          Stream.decodeText,
          Stream.mkString,
          Effect.map(listeningPorts),
          // The kernel may have no IPv6.
          Effect.catchTag("FileNotFound", () => Effect.succeed<ReadonlyArray<number>>([])),
        ),
      )
      const all = [...new Set(found.flat())].sort((a, b) => a - b)
      if (json) yield* printJson(PortsReport, all)
      else if (all.length > 0) yield* print(all.map((port) => `${port}/tcp`).join("\n"))
      return 0
    }).pipe(Effect.provide(connected(host)), ending),
).pipe(
  Command.withDescription(
    "Lists the TCP ports that programs in a sandbox listen on; none is open to this machine",
  ),
)
