import { type OutgoingHttpHeaders, type ServerResponse, STATUS_CODES } from "node:http"
import type { Duplex } from "node:stream"

/** A request that is not forwarded: its status, and advice for the reader. */
export class Refusal extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const refusalOf = (error: unknown) =>
  error instanceof Refusal ? error : new Refusal(500, "The gateway failed. Try again.")

const page = ({ status, message }: Refusal) => {
  const text = `Cordon: ${message}\n`
  const headers = {
    "content-type": "text/plain; charset=utf-8",
    "content-length": Buffer.byteLength(text),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    // The rest of the request is not read.
    connection: "close",
    ...(status === 401 ? { "www-authenticate": "Bearer" } : {}),
  }
  return { status, text, headers }
}

/** The head of a response on a connection that Node's server no longer handles. */
export const headOf = (status: number, headers: OutgoingHttpHeaders): string => {
  const lines = Object.entries(headers).flatMap(([name, value]) =>
    [value ?? []].flat().map((one) => `${name}: ${one}\r\n`),
  )
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}\r\n${lines.join("")}\r\n`
}

/** Answers a refusal. A response that has begun is broken off. */
export const refuse = (response: ServerResponse, error: unknown): void => {
  if (response.headersSent) {
    response.destroy()
    return
  }
  const { status, text, headers } = page(refusalOf(error))
  response.writeHead(status, headers).end(text)
}

/** Like `refuse`, for a request to upgrade. */
export const refuseUpgrade = (socket: Duplex, error: unknown): void => {
  const { status, text, headers } = page(refusalOf(error))
  socket.end(headOf(status, headers) + text)
}
