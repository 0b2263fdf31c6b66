import { Effect, Option, Redacted, Schema } from "effect"
import { InvalidInput } from "../errors.ts"
import { parseImage, RegistryHost } from "./ImageName.ts"

/**
 * What opens a registry: a user name with a password (or an access token in its place), or an identity
 * token that a registry gave at a login.
 */
export type RegistryCredentials =
  | {
      /** The name to log in with. */
      readonly username: string
      /** The password, or an access token in its place. */
      readonly password: string | Redacted.Redacted<string>
    }
  | {
      /** The token that a registry gave at a login. */
      readonly identityToken: string | Redacted.Redacted<string>
    }

/** Credentials by the registry that they are for: `ghcr.io`, `registry.example.com:5000`, `docker.io`. */
export type RegistryCredentialsInput = Readonly<Record<string, RegistryCredentials>>

/** Credentials that were looked at; what is secret of them is redacted. */
export type CheckedCredentials =
  | {
      /** The name to log in with. */
      readonly username: string
      /** The password, or an access token in its place. */
      readonly password: Redacted.Redacted<string>
    }
  | {
      /** The token that a registry gave at a login. */
      readonly identityToken: Redacted.Redacted<string>
    }

/** Checked credentials by registry. */
export type RegistryLogins = ReadonlyMap<string, CheckedCredentials>

/** With whose credentials an image is pulled. A driver keeps nothing of it with a sandbox. */
export interface ImageAccess {
  /**
   * `anybody`: without credentials. `operator`: with those of the settings, else with those that the
   * user of this program has for the image's registry. `creation`: with those of this creation alone.
   */
  readonly as: "anybody" | "operator" | "creation"
  /** For the image's own registry; the driver looks for some by itself where an operator gave none. */
  readonly credentials?: CheckedCredentials | undefined
  /** Whether the registry is asked even where the host has the image. */
  readonly always: boolean
}

const isHost = Schema.is(RegistryHost)

const secretOf = (value: unknown) => (Redacted.isRedacted(value) ? Redacted.value(value) : value)

const isSecret = (value: unknown): value is string =>
  typeof value === "string" && value !== "" && !value.includes("\0") && value.isWellFormed()

const fields = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? { ...value } : {}

const credentialsOf = (entry: unknown): CheckedCredentials | undefined => {
  const { username, password, identityToken, ...others } = fields(entry)
  if (Object.keys(others).length > 0) return undefined
  const [user, secret, token] = [username, password, identityToken].map(secretOf)
  if (token !== undefined) {
    return isSecret(token) && user === undefined && secret === undefined
      ? { identityToken: Redacted.make(token) }
      : undefined
  }
  return isSecret(user) && !user.includes(":") && isSecret(secret)
    ? { username: user, password: Redacted.make(secret) }
    : undefined
}

/** Checks credentials; an error repeats none of their values. */
export const checkCredentials = Effect.fnUntraced(function* (
  subject: string,
  input: unknown,
): Effect.fn.Return<RegistryLogins, InvalidInput> {
  if (typeof input !== "object" || input === null || Array.isArray(input)) {
    return yield* new InvalidInput({
      subject,
      issue: "it must be an object with credentials for each registry",
    })
  }
  const logins = new Map<string, CheckedCredentials>()
  for (const [registry, entry] of Object.entries(input)) {
    if (!isHost(registry)) {
      return yield* new InvalidInput({
        subject,
        issue:
          "each key must be a registry's host in lower case such as ghcr.io, docker.io or registry.example.com:5000, without a scheme or a path",
      })
    }
    const credentials = credentialsOf(entry)
    if (credentials === undefined) {
      return yield* new InvalidInput({
        subject: `${subject} (${registry})`,
        issue:
          "it must be { username, password } or { identityToken }, each a non-empty string or a Redacted string",
      })
    }
    logins.set(registry === "index.docker.io" ? "docker.io" : registry, credentials)
  }
  return logins
})

/** The credentials for the very registry that an image names. */
export const credentialsFor = (
  logins: RegistryLogins,
  image: string,
): CheckedCredentials | undefined =>
  Option.getOrUndefined(Option.map(parseImage(image), ({ registry }) => logins.get(registry)))
