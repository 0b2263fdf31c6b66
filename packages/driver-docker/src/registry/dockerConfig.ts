import { readFile } from "node:fs/promises"
import { join } from "node:path"
import type { CheckedCredentials } from "@cordon/core"
import { Effect, Option, Redacted, Schema } from "effect"
import { dockerFolder, homeFolder, setting } from "../surroundings.ts"
import { askHelper, HelperFailed } from "./credentialHelper.ts"

/** One login in the file, as `docker login` writes it where there is no helper. */
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

/** The file; undefined where there is none. Nothing of what it holds is repeated. */
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

/** What Docker knows a registry by: Docker Hub by an address of its own. */
export const keyOf = (registry: string): string =>
  registry === "docker.io" ? "https://index.docker.io/v1/" : registry

/** Older files have `https://registry.example.com/v1/` for a registry. */
const hostOf = (key: string) => key.replace(/^https?:\/\//, "").replace(/\/.*$/s, "")

const loginIn = (auths: Readonly<Record<string, Login>>, key: string): Login | undefined =>
  auths[key] ?? Object.entries(auths).find(([other]) => hostOf(other) === hostOf(key))?.[1]

const credentialsOf = (login: Login): CheckedCredentials | undefined => {
  if (login.identitytoken) return { identityToken: Redacted.make(login.identitytoken) }
  const [, user, secret] =
    /^([^:]*):(.*)$/s.exec(Buffer.from(login.auth ?? "", "base64").toString()) ?? []
  // Docker cuts what is behind a NUL.
  const username = user || login.username
  const password = secret?.replace(/\0+$/, "") || login.password
  return username && password ? { username, password: Redacted.make(password) } : undefined
}

/**
 * What this user has for a registry, as the docker client would find it: the registry's own helper, the
 * store of all, then what the file itself holds.
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
