import { type CheckedCredentials, type ImageAccess, parseImage } from "@cordon/core"
import { Effect, Option, Redacted } from "effect"
import { keyOf, loginOf } from "./dockerConfig.ts"

/** The header by which an engine takes credentials for a registry. */
export const registryAuthHeader = "X-Registry-Auth"

/** Engines read it with padding only. */
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

/** With what a registry is asked for an image. */
export interface RegistryAuth {
  /** The value of `X-Registry-Auth`; absent for what anybody may have. */
  readonly header?: Redacted.Redacted<string>
  /** What it means where the registry refuses. */
  readonly refused: "login" | "credentials" | "helper"
}

/** With what the very registry that an image names is asked for it. */
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
    // As docker does: what anybody may have is had all the same.
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
