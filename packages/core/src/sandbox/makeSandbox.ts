import type { SandboxContext } from "./context.ts"
import { makeEgress } from "./egress.ts"
import { makeCommands } from "./exec/commands.ts"
import { makeExec } from "./exec/exec.ts"
import { makeFiles } from "./files/files.ts"
import { makeGit } from "./git/clone.ts"
import { makeLifecycle } from "./lifecycle.ts"
import { makePorts } from "./ports/makePorts.ts"
import { makeProcesses } from "./processes/makeProcesses.ts"
import type { Sandbox } from "./Sandbox.ts"
import { makeShells } from "./shell/lastingShell.ts"
import { type CreateFrom, makeSnapshots } from "./snapshots/snapshots.ts"
import { makeStats } from "./stats.ts"
import { makeTerminals } from "./terminal.ts"

/**
 * Makes the handle of a sandbox from its parts.
 *
 * @param createFrom makes the sandbox that a fork is
 */
export const makeSandbox = (context: SandboxContext, createFrom: CreateFrom): Sandbox => {
  const commands = makeCommands(context)
  const { id, info, driver, ask } = context
  const self: Sandbox = {
    id,
    name: info.name,
    info,
    inspect: ask(driver.inspect(id)),
    ...makeExec(context, commands),
    shell: makeShells(context, commands),
    terminal: makeTerminals(context, commands),
    processes: makeProcesses(context, commands),
    files: makeFiles(context),
    git: makeGit(context, commands),
    ports: makePorts(context),
    ...makeStats(context),
    egress: makeEgress(context, () => self),
    ...makeSnapshots(context, createFrom),
    ...makeLifecycle(context),
  }
  return self
}
