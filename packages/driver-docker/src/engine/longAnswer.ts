import { type Agent, type IncomingMessage, request } from "node:http"
import { text } from "node:stream/consumers"
import { Redacted } from "effect"
import { registryAuthHeader } from "../registry/registryAuth.ts"
import { type EngineCall, pathOf } from "./EngineClient.ts"
import { refusalIn } from "./failures.ts"

/** The socket of an engine, and the agent that keeps connections to it. Default: Node's own agent. */
export interface Place {
  readonly socketPath: string
  readonly agent?: Agent | undefined
}

/**
 * Makes a call without a body whose answer is a long stream: a pull, events, a log. It does not use
 * dockerode, which writes request headers, and so credentials, to standard error if `DEBUG` asks
 * for everything.
 *
 * @param left aborts it
 */
export const longAnswer = (
  place: Place,
  call: EngineCall,
  left: AbortSignal,
): Promise<IncomingMessage> => {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const { operation, method, registryAuth: auth } = call
  const headers = auth === undefined ? {} : { [registryAuthHeader]: Redacted.value(auth) }
  request({ ...place, method, path: pathOf(call), headers, signal: left })
    .on("response", (answer) => {
      const { statusCode = 0 } = answer
      if (statusCode === 200) return resolve(answer)
      text(answer).then((said) => reject(refusalIn(operation, statusCode, said)), reject)
    })
    .on("error", reject)
    .end()
  return promise
}
