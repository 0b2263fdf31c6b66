import {
  type EngineCall,
  type Headers,
  pathOf,
  registryAuthHeader,
} from "@cordon/driver-docker/engine"
import { Redacted } from "effect"

/** An answer of an engine, with any status. */
export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
}

const contentOf = ({ body, registryAuth }: EngineCall) => {
  const auth =
    registryAuth === undefined ? {} : { [registryAuthHeader]: Redacted.value(registryAuth) }
  if (body === undefined) return { headers: auth }
  return body instanceof Uint8Array
    ? { body, headers: { ...auth, "content-type": "application/x-tar" } }
    : { body: JSON.stringify(body), headers: { ...auth, "content-type": "application/json" } }
}

/** A call as undici takes it. @param prefix of all paths, the version of the API included */
export const requestOf = (prefix: string, call: EngineCall) => ({
  path: `${prefix}${pathOf(call)}`,
  method: call.method,
  ...contentOf(call),
})

export const isQuestion = ({ method }: EngineCall) => method === "GET" || method === "HEAD"
export const isIdempotent = ({ method, idempotent }: EngineCall) => idempotent ?? method !== "POST"
