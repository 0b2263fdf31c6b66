import { Command } from "effect/cli"
import { completion } from "./commands/completion.ts"
import { cp } from "./commands/cp.ts"
import { doctor } from "./commands/doctor.ts"
import { exec } from "./commands/exec.ts"
import { gc } from "./commands/gc.ts"
import { init } from "./commands/init.ts"
import { rm, start, stop } from "./commands/lifecycle.ts"
import { logs } from "./commands/logs.ts"
import { mcp } from "./commands/mcp.ts"
import { ports } from "./commands/ports.ts"
import { ps } from "./commands/ps.ts"
import { run } from "./commands/run.ts"
import { stats } from "./commands/stats.ts"

const commands = [run, exec, ps, logs, cp, start, stop, rm, ports, stats, doctor, gc, mcp, init]

const base = Command.make("cordon").pipe(
  Command.withDescription("Looks after sandboxes and the engine that runs them"),
)

// The script of `completion` must include `completion` itself.
const shells = completion((): Command.Command.Any => cordon)

/** The whole command. Each subcommand is a file in `commands`, and one name here. */
export const cordon = base.pipe(Command.withSubcommands([...commands, shells]))
