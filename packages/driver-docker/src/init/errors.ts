import { EngineUnreachable, type HostError, TaggedError } from "@cordon/core"
import { Schema } from "effect"

/** Whether a request arrived, as far as known. */
export type Delivered = NonNullable<EngineUnreachable["delivered"]>

/** The connection to a sandbox's init is lost, and with it all calls in progress on it. */
export class InitLost extends TaggedError<InitLost>()("InitLost", {
  /**
   * - `ended`: the init closed the connection, since the sandbox stopped, or the connection broke.
   * - `silent`: no frame came for 30 seconds.
   * - `fault`: the init's output breaks the protocol, so it can't be trusted.
   * - `version`: the init and this program have no protocol version in common.
   * - `closed`: this program closed the connection.
   */
  why: Schema.Literals(["ended", "silent", "fault", "version", "closed"]),
  detail: Schema.String,
  /** Whether the request of the failed call reached the init. */
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
/** The stage in which a start failed. */
export type Stage = (typeof stages)[number]

/** A program or an operation could not start: see the stages in `docs/init-protocol.md`. */
export class NotStarted extends TaggedError<NotStarted>()("NotStarted", {
  stage: Schema.Literals(stages),
  /** The reason: a Linux errno. */
  errno: Schema.Number,
  /** Whether the init refused the request, instead of trying and failing. */
  refused: Schema.Boolean,
}) {
  override get message() {
    return `The sandbox's init could not start the call (${this.stage}, error ${this.errno}).`
  }
}

/** A call was told to end, and its end was never reported. Its processes may still be running. */
export class Unanswered extends TaggedError<Unanswered>()("Unanswered", {
  timedOut: Schema.Boolean,
}) {
  override get message() {
    return "The sandbox's init did not end a call when it was told to."
  }
}

/** The init's output breaks the protocol. Drops the connection. */
export class ProtocolFault extends Error {
  override readonly name = "ProtocolFault"
}

/** The errors of every call over a connection. */
export type ConnectionError = HostError | InitLost

/** The loss of a connection, as the failure of one of its calls. */
export const lossOf = (error: ConnectionError, delivered: Delivered): ConnectionError =>
  error instanceof InitLost ? new InitLost({ ...error, delivered }) : withDelivery(error, delivered)

/** An engine's silence, as the failure of one call. `delivered` says whether its request arrived. */
export const withDelivery = <E extends { readonly _tag: string }>(
  error: E,
  delivered: Delivered = "perhaps",
): E | EngineUnreachable =>
  error instanceof EngineUnreachable ? new EngineUnreachable({ ...error, delivered }) : error
