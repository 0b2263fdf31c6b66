import type { IncomingMessage, ServerResponse } from "node:http"
import { constants, type Http2ServerRequest, type Http2ServerResponse } from "node:http2"
import { AddressRefused } from "./destinations.ts"

export type Request = IncomingMessage | Http2ServerRequest
export type Response = ServerResponse | Http2ServerResponse

/** A request that can't be passed on, with its HTTP status. */
export class Refusal extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

/** The text of a refusal, for a model or a program. */
export const refusedBecause = (reason: string) =>
  `Cordon: ${reason}. The operator of this sandbox decides which destinations it can reach; neither a retry nor another route changes that.`

/**
 * The reason why a destination could not be reached. It reveals nothing of the operator's network
 * to the sandbox.
 */
export const failureOf = (error: unknown) =>
  error instanceof AddressRefused
    ? { status: 403, reason: "its name resolves to an address that sandboxes may not reach" }
    : { status: 502, reason: "the destination failed, or its answer was not valid" }

/** The reason of an attempt whose program did not wait for its end. */
export const sandboxLeft = "the sandbox closed the connection"

/** Breaks a response off, so that nobody takes it for complete. */
export const breakOff = (response: Response) => {
  if ("stream" in response) response.stream.close(constants.NGHTTP2_INTERNAL_ERROR)
  else response.destroy()
}

/** Answers that a request was refused or failed. Breaks off an answer that has begun. */
export const answer = (response: Response, status: number, text: string) => {
  if (response.headersSent) {
    breakOff(response)
    return
  }
  // Headers of an answer that could not be passed on.
  for (const name of response.getHeaderNames()) response.removeHeader(name)
  response.statusCode = status
  response.setHeader("content-type", "text/plain; charset=utf-8")
  response.setHeader("x-cordon-refused", "true")
  response.end(`${text}\n`)
}

/** Answers a refused request, and discards its content. */
export const refuse = (response: Response, error: unknown): void => {
  const { status, message } =
    error instanceof Refusal ? error : new Refusal(500, "Cordon: the way out failed.")
  answer(response, status, message)
}
