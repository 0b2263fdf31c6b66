import { EngineUnreachable } from "@cordon/core"
import { Effect } from "effect"
import { homeFolder, setting } from "../surroundings.ts"
import { strategies } from "./strategies.ts"

/** The address of an engine, and how it was found. */
export interface Endpoint {
  /** `unix:///var/run/docker.sock`, `tcp://host:2376`, ... */
  readonly host: string
  /** For people: `DOCKER_HOST is set`. */
  readonly source: string
  /** The folder from which the docker client would read ca.pem, cert.pem and key.pem. */
  readonly certificates?: string | undefined
}

/**
 * Finds the engine. Order: the option, `CONTAINER_SANDBOX_DOCKER_HOST`, `DOCKER_HOST`, the current
 * docker context, then the first of the well-known sockets that answers. An explicitly named engine
 * is used even if it does not answer. A named context that does not exist is an error.
 *
 * @example
 * import { findEndpoint } from "@cordon/driver-docker"
 *
 * const { host, source } = yield* findEndpoint()
 * yield* Console.log(`${host}, since ${source}`)
 */
export const findEndpoint = Effect.fn("findEndpoint")(function* (
  host?: string,
): Effect.fn.Return<Endpoint, EngineUnreachable> {
  const environment = {
    host,
    ownHost: yield* setting("CONTAINER_SANDBOX_DOCKER_HOST"),
    dockerHost: yield* setting("DOCKER_HOST"),
    dockerContext: yield* setting("DOCKER_CONTEXT"),
    dockerConfig: yield* setting("DOCKER_CONFIG"),
    runtimeDirectory: yield* setting("XDG_RUNTIME_DIR"),
    configDirectory: yield* setting("XDG_CONFIG_HOME"),
    colimaHome: yield* setting("COLIMA_HOME"),
    temporaryDirectory: yield* setting("TMPDIR"),
    user: process.getuid?.(),
    home: yield* homeFolder,
    tlsVerify: yield* setting("DOCKER_TLS_VERIFY"),
    certPath: yield* setting("DOCKER_CERT_PATH"),
    platform: process.platform,
  }
  const tried: Array<string> = []
  for (const strategy of strategies) {
    const found = yield* strategy.find(environment)
    if (found !== undefined) return found
    tried.push(strategy.name)
  }
  return yield* new EngineUnreachable({
    endpoint: "any of the places it is looked for",
    reason: `none of these led to an engine: ${tried.join(", ")}; set CONTAINER_SANDBOX_DOCKER_HOST`,
  })
})

/** The path of a local socket or pipe. Other addresses need `@cordon/driver-docker-remote`. */
export const socketPathOf = ({ host }: Endpoint): Effect.Effect<string, EngineUnreachable> => {
  const match = /^(?:unix|npipe):\/\/(.+)$/.exec(host)
  if (match?.[1] !== undefined) return Effect.succeed(match[1])
  const reason = /^(tcp|https?|ssh):\/\//.test(host)
    ? "@cordon/driver-docker reaches local sockets only; use @cordon/driver-docker-remote for it"
    : "it must look like unix:///var/run/docker.sock"
  // The part that could hold a password is not repeated.
  return Effect.fail(new EngineUnreachable({ endpoint: host.replace(/\/\/[^/@]*@/, "//"), reason }))
}
