import { SandboxName } from "@cordon/core"
import { Cause, Clock, Context, Effect, Exit, Layer, Option, PubSub, Schema, Stream } from "effect"

/** One call of a tool: who, what, when, and how it ended. Never its input or its result. */
export interface ToolCall {
  /** The ID of the session that made the call. */
  readonly sessionId: string
  /** The tool's name. */
  readonly tool: string
  /** The name of the sandbox in the call, if it named one. */
  readonly sandbox?: string
  /** When the call began. */
  readonly startedAt: Date
  /** Milliseconds. */
  readonly duration: number
  /** `ok`, `interrupted`, or the tag of the failure in the model's result. */
  readonly outcome: string
}

/**
 * The audit trail of tool calls. Without this service, calls are not recorded.
 *
 * @example
 * import { AuditTrail } from "@cordon/tools"
 *
 * const { calls } = yield* AuditTrail
 * yield* calls.pipe(Stream.runForEach(({ tool, outcome }) => Console.log(tool, outcome)))
 */
export class AuditTrail extends Context.Service<
  AuditTrail,
  {
    /** Adds a call to the trail. Tools do so when a call has ended. */
    readonly record: (call: ToolCall) => Effect.Effect<void>
    /**
     * Every call that ends from now on. A slow reader gets only the last 10,000 calls: tools never
     * wait for readers.
     */
    readonly calls: Stream.Stream<ToolCall>
  }
>()("@cordon/tools/AuditTrail") {
  /** A trail in memory, which holds the last 10,000 calls for each reader. */
  static readonly layer: Layer.Layer<AuditTrail> = Layer.effect(
    AuditTrail,
    Effect.map(PubSub.sliding<ToolCall>(10_000), (calls) =>
      AuditTrail.of({
        record: (call) => Effect.asVoid(PubSub.publish(calls, call)),
        calls: Stream.fromPubSub(calls),
      }),
    ),
  )
}

const isName = Schema.is(SandboxName)

/** The sandbox name in a call's input, if it is a valid name. */
const sandboxOf = (input: unknown) => {
  if (typeof input !== "object" || input === null) return {}
  const named = "sandbox" in input ? input.sandbox : "name" in input ? input.name : undefined
  return isName(named) ? { sandbox: named } : {}
}

/** The tag of a failure, whether it is a result or an error; `ok` for everything else. */
const failureOf = (value: unknown): string | undefined => {
  if (typeof value !== "object" || value === null) return undefined
  if ("tag" in value && typeof value.tag === "string") return value.tag
  return "ok" in value && value.ok === false && "error" in value
    ? failureOf(value.error)
    : undefined
}

const outcomeOf = <A, E>(exit: Exit.Exit<A, E>): string => {
  if (Exit.isSuccess(exit)) return failureOf(exit.value) ?? "ok"
  if (Cause.hasInterruptsOnly(exit.cause)) return "interrupted"
  return failureOf(Cause.squash(exit.cause)) ?? "InternalError"
}

/** Writes the calls of a session's tools down when they have ended, however they did. */
export const makeAudit = (sessionId: string) =>
  Effect.map(
    Effect.serviceOption(AuditTrail),
    (trail) =>
      (tool: string, input: unknown) =>
      <A, E, R>(call: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
        Option.match(trail, {
          onNone: () => call,
          onSome: ({ record }) =>
            Effect.flatMap(Clock.currentTimeMillis, (started) =>
              Effect.onExit(call, (exit) =>
                Effect.flatMap(Clock.currentTimeMillis, (now) =>
                  record({
                    sessionId,
                    tool,
                    ...sandboxOf(input),
                    startedAt: new Date(started),
                    duration: now - started,
                    outcome: outcomeOf(exit),
                  }),
                ),
              ),
            ),
        }),
  )
