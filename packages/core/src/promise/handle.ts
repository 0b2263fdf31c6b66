import { Effect } from "effect"
import { SandboxNotFound } from "../errors.ts"
import type { Sandbox } from "../sandbox/Sandbox.ts"
import { backSandbox, type SessionBacking } from "./backing.ts"
import { call, callStream } from "./call.ts"
import { commandsOf } from "./commands.ts"
import { egressOf } from "./egress.ts"
import { filesOf } from "./files.ts"
import type { PromiseSandbox } from "./PromiseSandbox.ts"
import { portsOf } from "./ports.ts"
import { processesOf } from "./processes.ts"
import { run } from "./runtime.ts"
import { shellOf } from "./shell.ts"
import { terminalOf } from "./terminal.ts"

/** The face of one sandbox. */
export const handleOf = (session: SessionBacking, sandbox: Sandbox): PromiseSandbox => {
  const { runtime, storage } = session
  const face: PromiseSandbox = {
    id: sandbox.id,
    name: sandbox.name,
    info: sandbox.info,
    ...commandsOf(runtime, sandbox),
    files: filesOf(runtime, sandbox.files, storage),
    git: {
      clone: (url, options) =>
        call(runtime, ["clone", "git.clone"], { url, options }, () =>
          sandbox.git.clone(url, options),
        ),
    },
    processes: processesOf(runtime, sandbox.processes),
    ports: portsOf(runtime, sandbox),
    terminal: terminalOf(runtime, sandbox),
    shell: shellOf(runtime, sandbox),
    snapshot: (name, options) =>
      call(runtime, "snapshot", { name, options }, () => sandbox.snapshot(name)),
    fork: (options) =>
      call(runtime, "fork", { options }, () => {
        const { signal: _, ...own } = options ?? {}
        return sandbox.fork(own)
      }).then((forked) => handleOf(session, forked)),
    inspect: (options) => call(runtime, ["nothing", "inspect"], { options }, () => sandbox.inspect),
    pause: (options) => call(runtime, ["nothing", "pause"], { options }, () => sandbox.pause),
    resume: (options) => call(runtime, ["nothing", "resume"], { options }, () => sandbox.resume),
    egress: egressOf(runtime, sandbox),
    stats: (options) => call(runtime, ["nothing", "stats"], { options }, () => sandbox.stats),
    watchStats: (options) =>
      callStream(runtime, "watchStats", { options }, () => sandbox.watchStats(options)),
    extend: (duration, options) =>
      call(runtime, "extend", { duration, options }, () => sandbox.extend(duration)),
    start: (options) => call(runtime, ["nothing", "start"], { options }, () => sandbox.start),
    stop: (options) => call(runtime, ["nothing", "stop"], { options }, () => sandbox.stop),
    remove: (options) => call(runtime, ["nothing", "remove"], { options }, () => sandbox.remove),
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
