import {
  Closed,
  runExit,
  type Sandboxes,
  type SessionBacking,
  SessionFiles,
  type SetupError,
} from "@cordon/core"
import { Cause, Deferred, Duration, Effect, Exit, identity, Stream } from "effect"
import { AuditTrail, type ToolCall } from "../AuditTrail.ts"
import { policyOf, withCeilings } from "../ceilings.ts"
import { setupMessage } from "../errorMessage.ts"
import { OnToolProgress, type ToolProgress } from "../progress.ts"
import { asResult, infoOf, type ToolInfo } from "../Tool.ts"
import { mapNames, type Toolset } from "../Toolset.ts"
import type { AnyToolName } from "../tools.ts"
import type { Audited, PromiseTool } from "./PromiseTool.ts"

/** An audit trail that calls a function. Exceptions of the function are logged, and change no result. */
const auditOf = (onToolCall: (call: ToolCall) => void) =>
  AuditTrail.of({
    record: (call) =>
      Effect.sync(() => onToolCall(call)).pipe(
        Effect.catchDefect((defect) => Effect.logError("onToolCall threw", defect)),
      ),
    calls: Stream.never,
  })

/** The source of the tools of a session or a sandbox. */
export interface Source<Name extends AnyToolName> {
  readonly backing: SessionBacking
  /** The subject of errors after closing: `toolset of session "a"`. */
  readonly subject: string
  readonly infos: Readonly<Record<Name, ToolInfo>>
  readonly make: Effect.Effect<Toolset<Name>, SetupError, Sandboxes | SessionFiles>
}

/** The tools as promises. The first call makes the toolset; `end` closes it. */
export const promised = <Name extends AnyToolName>(
  { backing, subject, infos, make }: Source<Name>,
  { onToolCall }: Audited,
) => {
  const { runtime, storage } = backing
  const policy = policyOf(backing.settings)
  const closing = Deferred.makeUnsafe<void>()
  const refuse = Effect.suspend(() => Effect.fail(new Closed({ subject })))
  let made: Toolset<Name> | undefined
  const closed = Effect.andThen(Deferred.await(closing), refuse)
  // The first call makes it. After a failure, the next call tries again.
  const toolset = Effect.runSync(
    Effect.cachedWithTTL(
      Effect.uninterruptible(
        make.pipe(
          Effect.provideServiceEffect(SessionFiles, storage),
          onToolCall === undefined
            ? identity
            : Effect.provideService(AuditTrail, auditOf(onToolCall)),
          Effect.tap((toolset) =>
            Effect.sync(() => {
              made = toolset
            }),
          ),
        ),
      ),
      (exit) => (Exit.isSuccess(exit) ? Duration.infinity : 0),
    ),
  )
  const promise = (name: Name): PromiseTool<Name> => ({
    ...withCeilings(infoOf(infos[name]), policy),
    name,
    execute: async (input, { signal, onProgress } = {}) => {
      const report = onProgress && ((step: ToolProgress) => Effect.sync(() => onProgress(step)))
      const call = toolset.pipe(
        Effect.flatMap(({ byName }) => byName[name].handle(input)),
        Effect.provideService(OnToolProgress, report),
        Effect.raceFirst(closed),
      )
      const exit = await runExit(runtime, call, { signal })
      if (Exit.isSuccess(exit)) return exit.value
      if (signal?.aborted === true) throw signal.reason
      // The tools are closed, or there is no engine: the model reads that as a result too.
      const failure = Cause.hasInterruptsOnly(exit.cause) ? refuse : Effect.failCause(exit.cause)
      const told = asResult(name, failure, setupMessage)
      return await Effect.runPromise(Effect.provide(told, runtime.logging))
    },
  })
  const byName = mapNames(infos, promise)
  return {
    tools: Object.values<PromiseTool<Name>>(byName),
    byName,
    end: async () => {
      Deferred.doneUnsafe(closing, Exit.void)
      if (made !== undefined) await runExit(runtime, made.close)
    },
  }
}
