import { type CheckedCredentials, type ImageAccess, parseImage } from "@cordon/core"
import { Effect, Option, Redacted } from "effect"
import { keyOf, loginOf } from "./dockerConfig.ts"

/** The header in which an engine accepts credentials for a registry. */
export const registryAuthHeader = "X-Registry-Auth"

/** Base64url with padding, which engines require. */
const base64Url = (text: string) =>
  Buffer.from(text).toString("base64").replaceAll("+", "-").replaceAll("/", "_")

const headerOf = (registry: string, credentials: CheckedCredentials) => {
  const serveraddress = keyOf(registry)
  const login =
    "identityToken" in credentials
      ? { identitytoken: Redacted.value(credentials.identityToken) }
      : { username: credentials.username, password: Redacted.value(credentials.password) }
  return Redacted.make(base64Url(JSON.stringify({ ...login, serveraddress })))
}

/** The credentials for a request to a registry. */
export interface RegistryAuth {
  /** The value of `X-Registry-Auth`; absent for public access. */
  readonly header?: Redacted.Redacted<string>
  /** The meaning of a refusal by the registry. */
  readonly refused: "login" | "credentials" | "helper"
}

/** The credentials for an image's own registry. */
export const registryAuth = Effect.fn("registryAuth")(function* (
  image: string,
  access: ImageAccess | undefined,
): Effect.fn.Return<RegistryAuth> {
  const named = parseImage(image)
  if (access === undefined || access.as === "anybody" || Option.isNone(named)) {
    return { refused: "login" }
  }
  const { registry } = named.value
  if (access.credentials !== undefined) {
    return { header: headerOf(registry, access.credentials), refused: "credentials" }
  }
  const found = yield* Effect.result(loginOf(registry))
  if (found._tag === "Failure") {
    // Like docker: continue without credentials, since the image may be public.
    const { helper, reason } = found.failure
    yield* Effect.logWarning("The login of a registry could not be read", {
      registry,
      helper,
      reason,
    })
    return { refused: "helper" }
  }
  return found.success === undefined
    ? { refused: "login" }
    : { header: headerOf(registry, found.success), refused: "credentials" }
})
