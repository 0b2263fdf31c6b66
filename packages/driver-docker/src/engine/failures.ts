import { EngineError, type EngineReason } from "@cordon/core"
import { Predicate, Schema } from "effect"
import { type Operation, reasonOf } from "./statusReasons.ts"

const EngineMessage = Schema.Struct({ message: Schema.String })
const isEngineMessage = Schema.is(EngineMessage)

/** The error for a refusal of the engine, from its status and the message in its answer. */
export const refusal = (
  operation: Operation,
  status: number,
  answer: unknown,
  otherwise: string,
): EngineError => {
  const detail = isEngineMessage(answer) ? answer.message.trim() : otherwise
  return new EngineError({ operation, reason: reasonOf(operation, status, detail), status, detail })
}

/** Matches an `EngineError` by reason, for places where `Effect.catchReason` does not fit. */
export const isEngineError =
  (...reasons: ReadonlyArray<EngineReason["_tag"]>) =>
  (error: { readonly _tag: string }): error is EngineError =>
    error instanceof EngineError && reasons.includes(error.reason._tag)

/** Parses JSON; undefined if the text is not JSON. */
export const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Like `refusal`, for the unparsed text of an answer. */
export const refusalIn = (operation: Operation, status: number, text: string): EngineError => {
  const short = text.trim().slice(0, 500)
  return refusal(operation, status, parseJson(text), short === "" ? "it gave no reason" : short)
}

/** Explanations of system error codes for somebody who wants to reach an engine. */
export const systemReasons: Readonly<Record<string, string>> = {
  ENOENT: "there is no such socket",
  ECONNREFUSED: "nothing listens there",
  EACCES: "this user may not open the socket (is it in the docker group?)",
  EPIPE: "the connection broke",
  ECONNRESET: "the connection was reset",
  ETIMEDOUT: "it timed out",
}

/** The code of a failed system call, such as `ECONNREFUSED`; empty if there is none. */
export const codeOf = (cause: unknown): string =>
  Predicate.hasProperty(cause, "code") && typeof cause.code === "string" ? cause.code : ""
