import { randomBytes } from "node:crypto"
import { type Duration, Effect } from "effect"
import type { ExecError, LeaseError } from "../../errors.ts"
import type { SandboxContext } from "../context.ts"
import type { Commands } from "../exec/commands.ts"
import type { RunningShell } from "./RunningShell.ts"
import type { ShellOptions } from "./SandboxShell.ts"

/** Begins a shell that the driver keeps. */
export const beginInDriver = Effect.fnUntraced(function* (
  { id, use, secrets }: SandboxContext,
  { prepare, collect }: Commands,
  shells: NonNullable<SandboxContext["driver"]["shells"]>,
  options: ShellOptions,
  timeout?: Duration.Duration,
): Effect.fn.Return<RunningShell, ExecError | LeaseError> {
  const name = randomBytes(16).toString("hex")
  const { request } = yield* prepare(":", { ...options, timeout })
  yield* use(shells.begin(id, name, request))
  return {
    run: Effect.fnUntraced(function* (script, _, given) {
      const { request, outputLimit } = yield* prepare(script, given)
      const events = shells.exec(id, name, request, Object.keys(secrets()))
      return yield* collect(request, events, { ...given, outputLimit })
    }),
    end: shells.end(id, name),
  }
})
