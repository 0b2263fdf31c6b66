import { EngineUnreachable, type HostError, TaggedError } from "@cordon/core"
import { Schema } from "effect"

/** Whether a request arrived, as far as is known. */
export type Delivered = NonNullable<EngineUnreachable["delivered"]>

/** The connection to a sandbox's init is gone, and with it all calls that were under way on it. */
export class InitLost extends TaggedError<InitLost>()("InitLost", {
  /**
   * - `ended`: the init closed it: the sandbox stopped, or the connection broke.
   * - `silent`: no frame came for 30 seconds.
   * - `fault`: what came breaks the protocol, so that nothing of it can be trusted.
   * - `version`: the init speaks no version that this program speaks.
   * - `closed`: this program closed it.
   */
  why: Schema.Literals(["ended", "silent", "fault", "version", "closed"]),
  detail: Schema.String,
  /** Whether the request of the call that failed by it reached the init. */
  delivered: EngineUnreachable.fields.delivered,
}) {
  override get message() {
    return `The connection to the sandbox's init is gone: ${this.detail}.`
  }
}

export const stages = [
  "none",
  "user",
  "folder",
  "program",
  "process",
  "terminal",
  "request",
  "connection",
] as const
/** What failed where something did not begin. */
export type Stage = (typeof stages)[number]

/** A program or an operation that did not begin: see the stages of `docs/init-protocol.md`. */
export class NotStarted extends TaggedError<NotStarted>()("NotStarted", {
  stage: Schema.Literals(stages),
  /** Why, as Linux numbers errors. */
  errno: Schema.Number,
  /** Whether the init refused the request, rather than tried and failed. */
  refused: Schema.Boolean,
}) {
  override get message() {
    return `The sandbox's init could not begin it (${this.stage}, error ${this.errno}).`
  }
}

/** A call was told to end and its end was never told: what it started may still be running. */
export class Unanswered extends TaggedError<Unanswered>()("Unanswered", {
  timedOut: Schema.Boolean,
}) {
  override get message() {
    return "The sandbox's init did not end a call when it was told to."
  }
}

/** What came from the init is not what the protocol allows. Drops the connection. */
export class ProtocolFault extends Error {
  override readonly name = "ProtocolFault"
}

/** What any call over a connection may fail with. */
export type ConnectionError = HostError | InitLost

/** The loss of a connection, as the failure of one of the calls that it carried. */
export const lossOf = (error: ConnectionError, delivered: Delivered): ConnectionError =>
  error instanceof InitLost ? new InitLost({ ...error, delivered }) : withDelivery(error, delivered)

/** An engine's silence, as the failure of one call. `delivered` says whether its request arrived. */
export const withDelivery = <E extends { readonly _tag: string }>(
  error: E,
  delivered: Delivered = "perhaps",
): E | EngineUnreachable =>
  error instanceof EngineUnreachable ? new EngineUnreachable({ ...error, delivered }) : error
