import {
  isJSONRPCRequest,
  type RequestId,
  WebStandardStreamableHTTPServerTransport,
} from "@modelcontextprotocol/server"
import { Option, Schema } from "effect"
import { rpcError } from "./guard.ts"

const mostIdLength = 256

const Ids = Schema.Struct({ id: Schema.Union([Schema.String, Schema.Number]) })
const decodeIds = Schema.decodeUnknownOption(Ids)
const Cancelled = Schema.Struct({
  method: Schema.Literal("notifications/cancelled"),
  params: Schema.Struct({ requestId: Schema.Union([Schema.String, Schema.Number]) }),
})
const decodeCancelled = Schema.decodeUnknownOption(Cancelled)

/**
 * A session's transport that refuses a request whose ID is that of an unanswered one. The SDK's transport sends an
 * answer to the latest request with its ID, so the earlier one would never be answered.
 */
export class SessionTransport extends WebStandardStreamableHTTPServerTransport {
  readonly #unanswered = new Set<RequestId>()

  /** The number of requests without an answer. */
  get unanswered(): number {
    return this.#unanswered.size
  }

  override async handleRequest(
    ...[request, options]: Parameters<WebStandardStreamableHTTPServerTransport["handleRequest"]>
  ): Promise<Response> {
    const body: unknown =
      request.method === "POST"
        ? await request
            .clone()
            .json()
            .catch(() => undefined)
        : undefined
    const messages: ReadonlyArray<unknown> = Array.isArray(body) ? body : [body]
    const ids = messages.filter(isJSONRPCRequest).map(({ id }) => id)
    const refused = this.#refusalOf(ids)
    if (refused !== undefined) return refused
    for (const id of ids) this.#unanswered.add(id)
    for (const message of messages) {
      // A cancelled request gets no answer.
      const cancelled = decodeCancelled(message)
      if (Option.isSome(cancelled)) this.#unanswered.delete(cancelled.value.params.requestId)
    }
    const response = await super.handleRequest(request, { ...options, parsedBody: body })
    if (!response.ok) for (const id of ids) this.#unanswered.delete(id)
    return response
  }

  override send(
    ...[message, options]: Parameters<WebStandardStreamableHTTPServerTransport["send"]>
  ): Promise<void> {
    if (!("method" in message)) {
      const answered = decodeIds(message)
      if (Option.isSome(answered)) this.#unanswered.delete(answered.value.id)
    }
    return super.send(message, options)
  }

  #refusalOf(ids: ReadonlyArray<RequestId>): Response | undefined {
    if (ids.some((id) => String(id).length > mostIdLength)) {
      return invalid(`A request's ID may have ${mostIdLength} characters`)
    }
    const taken = ids.find((id, at) => this.#unanswered.has(id) || ids.indexOf(id) !== at)
    return taken === undefined
      ? undefined
      : invalid(`Request ID ${JSON.stringify(taken)} is being answered: use another one`)
  }
}

const invalid = (message: string) => Response.json(rpcError(message, -32600), { status: 400 })
