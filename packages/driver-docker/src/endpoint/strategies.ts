import { createHash } from "node:crypto"
import { readFile, stat } from "node:fs/promises"
import { join } from "node:path"
import { EngineUnreachable } from "@cordon/core"
import { Effect, Schema } from "effect"
import { dockerFolder } from "../surroundings.ts"
import type { Endpoint } from "./Endpoint.ts"
import { firstPlace, type Surroundings, wellKnownPlaces } from "./wellKnown.ts"

/** The environment that the search for an engine may read. */
export interface EndpointEnvironment extends Surroundings {
  readonly host: string | undefined
  readonly ownHost: string | undefined
  readonly dockerHost: string | undefined
  readonly dockerContext: string | undefined
  readonly dockerConfig: string | undefined
  readonly tlsVerify: string | undefined
  readonly certPath: string | undefined
}

/** One way to find an engine; the first that applies wins. */
export interface EndpointStrategy {
  readonly name: string
  readonly find: (
    environment: EndpointEnvironment,
  ) => Effect.Effect<Endpoint | undefined, EngineUnreachable>
}

const folderOf = ({ dockerConfig, home }: EndpointEnvironment) => dockerFolder(dockerConfig, home)

/** Like the docker client: either variable turns on TLS, and the folder has a default. */
const certificatesOf = (environment: EndpointEnvironment) =>
  environment.certPath ?? (environment.tlsVerify === undefined ? undefined : folderOf(environment))

const named = (name: string, key: "host" | "ownHost" | "dockerHost"): EndpointStrategy => ({
  name,
  find: (environment) => {
    const host = environment[key]
    if (host === undefined) return Effect.succeed(undefined)
    const certificates = certificatesOf(environment)
    return Effect.succeed({ host, source: `${name} is set`, certificates })
  },
})

const ConfigFile = Schema.fromJsonString(
  Schema.Struct({ currentContext: Schema.optionalKey(Schema.String) }),
)
const ContextFile = Schema.fromJsonString(
  Schema.Struct({
    Endpoints: Schema.Struct({ docker: Schema.Struct({ Host: Schema.NonEmptyString }) }),
  }),
)

/** Reads a file of the docker client. A file that is missing or not understood counts as empty. */
const read = <S extends Schema.Constraint & { readonly DecodingServices: never }>(
  path: string,
  schema: S,
): Effect.Effect<S["Type"] | undefined> =>
  Effect.tryPromise(() => readFile(path, "utf8")).pipe(
    Effect.flatMap(Schema.decodeUnknownEffect(schema)),
    Effect.orElseSucceed(() => undefined),
  )

const isDirectory = (path: string) =>
  Effect.tryPromise(() => stat(path)).pipe(
    Effect.map((stats) => stats.isDirectory()),
    Effect.orElseSucceed(() => false),
  )

const currentContext: EndpointStrategy = {
  name: "the current docker context",
  find: Effect.fnUntraced(function* (environment) {
    const { dockerContext } = environment
    const folder = folderOf(environment)
    if (folder === undefined) return undefined
    const name =
      dockerContext ?? (yield* read(join(folder, "config.json"), ConfigFile))?.currentContext
    if (name === undefined || name === "default") return undefined
    const digest = createHash("sha256").update(name).digest("hex")
    const meta = yield* read(join(folder, "contexts", "meta", digest, "meta.json"), ContextFile)
    if (meta === undefined) {
      // To use another engine than the chosen one would be worse than an error.
      return yield* new EngineUnreachable({
        endpoint: `the docker context ${JSON.stringify(name)}`,
        reason: `${folder} has no such docker context, or the context names no engine; see docker context ls`,
      })
    }
    const certificates = join(folder, "contexts", "tls", digest, "docker")
    return {
      host: meta.Endpoints.docker.Host,
      source: `the docker context "${name}" is current`,
      certificates: (yield* isDirectory(certificates)) ? certificates : undefined,
    }
  }),
}

const wellKnownSockets: EndpointStrategy = {
  name: "the well-known sockets",
  find: Effect.fnUntraced(function* (environment) {
    const found = yield* firstPlace(wellKnownPlaces(environment))
    if (found === undefined) return undefined
    const { place, listens } = found
    const [scheme, kind] = environment.platform === "win32" ? ["npipe", "pipe"] : ["unix", "socket"]
    return {
      host: `${scheme}://${place.path}`,
      source: `it is the well-known ${kind} of ${place.of}${listens ? "" : ", though nothing answers there"}`,
    }
  }),
}

/** The strategies, in the order in which they are tried. */
export const strategies: ReadonlyArray<EndpointStrategy> = [
  named("the driver's host option", "host"),
  named("CONTAINER_SANDBOX_DOCKER_HOST", "ownHost"),
  named("DOCKER_HOST", "dockerHost"),
  currentContext,
  wellKnownSockets,
]
