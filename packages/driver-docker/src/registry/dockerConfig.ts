import { readFile } from "node:fs/promises"
import { join } from "node:path"
import type { CheckedCredentials } from "@cordon/core"
import { Effect, Option, Redacted, Schema } from "effect"
import { dockerFolder, homeFolder, setting } from "../surroundings.ts"
import { askHelper, HelperFailed } from "./credentialHelper.ts"

/** One login in the file, as `docker login` writes it without a helper. */
const Login = Schema.Struct({
  /** `username:password` in base64. */
  auth: Schema.optionalKey(Schema.String),
  username: Schema.optionalKey(Schema.String),
  password: Schema.optionalKey(Schema.String),
  identitytoken: Schema.optionalKey(Schema.String),
})
type Login = typeof Login.Type

const ConfigFile = Schema.fromJsonString(
  Schema.Struct({
    auths: Schema.optionalKey(Schema.NullOr(Schema.Record(Schema.String, Login))),
    credsStore: Schema.optionalKey(Schema.String),
    credHelpers: Schema.optionalKey(Schema.NullOr(Schema.Record(Schema.String, Schema.String))),
  }),
)

const configPath = Effect.gen(function* () {
  const folder = dockerFolder(yield* setting("DOCKER_CONFIG"), yield* homeFolder)
  return folder === undefined ? undefined : join(folder, "config.json")
})

const unreadable = (reason: string) => new HelperFailed({ helper: "config.json", reason })

/** Reads the file; undefined if there is none. Errors repeat nothing of its content. */
const readConfig = Effect.gen(function* () {
  const path = yield* configPath
  if (path === undefined) return undefined
  const text = yield* Effect.tryPromise({
    try: () => readFile(path, "utf8"),
    catch: (cause): unknown => cause,
  }).pipe(
    Effect.catch((cause) =>
      typeof cause === "object" && cause !== null && "code" in cause && cause.code === "ENOENT"
        ? Effect.succeed(undefined)
        : Effect.fail(unreadable("it can't be read")),
    ),
  )
  if (text === undefined) return undefined
  return yield* Effect.mapError(Schema.decodeUnknownEffect(ConfigFile)(text), () =>
    unreadable("it is not what docker writes"),
  )
})

/** Docker's key for a registry. Docker Hub has a special key. */
export const keyOf = (registry: string): string =>
  registry === "docker.io" ? "https://index.docker.io/v1/" : registry

/** Extracts the host: older files have keys such as `https://registry.example.com/v1/`. */
const hostOf = (key: string) => key.replace(/^https?:\/\//, "").replace(/\/.*$/s, "")

const loginIn = (auths: Readonly<Record<string, Login>>, key: string): Login | undefined =>
  auths[key] ?? Object.entries(auths).find(([other]) => hostOf(other) === hostOf(key))?.[1]

const credentialsOf = (login: Login): CheckedCredentials | undefined => {
  if (login.identitytoken) return { identityToken: Redacted.make(login.identitytoken) }
  const [, user, secret] =
    /^([^:]*):(.*)$/s.exec(Buffer.from(login.auth ?? "", "base64").toString()) ?? []
  // Docker drops NULs at the end of the password.
  const username = user || login.username
  const password = secret?.replace(/\0+$/, "") || login.password
  return username && password ? { username, password: Redacted.make(password) } : undefined
}

/**
 * This user's login for a registry, searched as the docker client does: in the registry's own
 * helper, in the store for all registries, then in the file itself.
 *
 * @param registry `docker.io`, `ghcr.io`, `registry.example.com:5000`
 */
export const loginOf = Effect.fn("readDockerLogin")(function* (
  registry: string,
): Effect.fn.Return<CheckedCredentials | undefined, HelperFailed> {
  const config = yield* readConfig
  if (config === undefined) return undefined
  const key = keyOf(registry)
  const { auths, credsStore, credHelpers } = config
  const helper = credHelpers?.[key] ?? credHelpers?.[registry] ?? credsStore
  if (helper) {
    const found = yield* askHelper(helper, key)
    if (Option.isSome(found)) {
      const { username, secret } = found.value
      return username === "<token>" ? { identityToken: secret } : { username, password: secret }
    }
  }
  const login = loginIn(auths ?? {}, key)
  return login && credentialsOf(login)
})
