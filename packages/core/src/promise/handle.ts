import { Effect } from "effect"
import { SandboxNotFound } from "../errors.ts"
import type { Sandbox } from "../sandbox/Sandbox.ts"
import { backSandbox, type SessionBacking } from "./backing.ts"
import { commandsOf } from "./commands.ts"
import { egressOf } from "./egress.ts"
import { filesOf } from "./files.ts"
import { methodsOn } from "./methods.ts"
import type { PromiseSandbox } from "./PromiseSandbox.ts"
import { portsOf } from "./ports.ts"
import { processesOf } from "./processes.ts"
import { run } from "./runtime.ts"
import { shellOf } from "./shell.ts"
import { terminalOf } from "./terminal.ts"

/** The face of one sandbox. */
export const handleOf = (session: SessionBacking, sandbox: Sandbox): PromiseSandbox => {
  const { runtime, storage } = session
  const { promise, iterable } = methodsOn(runtime)
  const face: PromiseSandbox = {
    id: sandbox.id,
    name: sandbox.name,
    info: sandbox.info,
    ...commandsOf(runtime, sandbox),
    files: filesOf(runtime, sandbox.files, storage),
    git: { clone: promise(["clone", "git.clone"], sandbox.git.clone) },
    processes: processesOf(runtime, sandbox.processes),
    ports: portsOf(runtime, sandbox),
    terminal: terminalOf(runtime, sandbox),
    shell: shellOf(runtime, sandbox),
    snapshot: promise("snapshot", sandbox.snapshot),
    fork: promise("fork", ({ signal: _, ...own } = {}) =>
      Effect.map(sandbox.fork(own), (forked) => handleOf(session, forked)),
    ),
    inspect: promise(["nothing", "inspect"], () => sandbox.inspect),
    pause: promise(["nothing", "pause"], () => sandbox.pause),
    resume: promise(["nothing", "resume"], () => sandbox.resume),
    egress: egressOf(runtime, sandbox),
    stats: promise(["nothing", "stats"], () => sandbox.stats),
    watchStats: iterable("watchStats", sandbox.watchStats),
    extend: promise("extend", sandbox.extend),
    start: promise(["nothing", "start"], () => sandbox.start),
    stop: promise(["nothing", "stop"], () => sandbox.stop),
    remove: promise(["nothing", "remove"], () => sandbox.remove),
    // Already gone is as good as removed; and what was closed has removed it, unless it was to stay.
    [Symbol.asyncDispose]: async () => {
      if (runtime.closed()) return
      const gone = (error: unknown) => error instanceof SandboxNotFound
      await run(
        runtime,
        Effect.catchIf(sandbox.remove, gone, () => Effect.void),
      )
    },
  }
  return backSandbox(face, { session, sandbox })
}
