import { type Agent, type IncomingMessage, request } from "node:http"
import { text } from "node:stream/consumers"
import { Redacted } from "effect"
import { registryAuthHeader } from "../registry/registryAuth.ts"
import { refusalIn } from "./failures.ts"
import type { Operation } from "./statusReasons.ts"

/**
 * Pulls an image. Not with dockerode, which writes the headers of its requests, and with them the
 * credentials, to standard error where `DEBUG` asks for everything.
 *
 * @param left aborts the pull
 */
export const pull = (
  { socketPath, agent }: { readonly socketPath: string; readonly agent?: Agent },
  operation: Operation,
  image: string,
  auth: Redacted.Redacted<string> | undefined,
  left: AbortSignal,
): Promise<IncomingMessage> => {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  const path = `/images/create?${new URLSearchParams({ fromImage: image })}`
  const headers = auth === undefined ? {} : { [registryAuthHeader]: Redacted.value(auth) }
  const options = { socketPath, method: "POST", path, headers, signal: left }
  request(agent === undefined ? options : { ...options, agent })
    .on("response", (answer) => {
      const { statusCode = 0 } = answer
      if (statusCode === 200) return resolve(answer)
      text(answer).then((said) => reject(refusalIn(operation, statusCode, said)), reject)
    })
    .on("error", reject)
    .end()
  return promise
}
