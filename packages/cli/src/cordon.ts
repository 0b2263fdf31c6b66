import { Command } from "effect/cli"
import { doctor } from "./commands/doctor.ts"
import { exec } from "./commands/exec.ts"
import { gc } from "./commands/gc.ts"
import { init } from "./commands/init.ts"
import { mcp } from "./commands/mcp.ts"
import { ps } from "./commands/ps.ts"

/** The whole command. A subcommand is a file of its own in `commands`, and one name here. */
export const cordon = Command.make("cordon").pipe(
  Command.withDescription("Looks after sandboxes and the engine that runs them"),
  Command.withSubcommands([doctor, ps, exec, gc, mcp, init]),
)
