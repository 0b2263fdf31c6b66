import { EngineUnreachable } from "@cordon/core"
import { Effect } from "effect"
import { homeFolder, setting } from "../surroundings.ts"
import { strategies } from "./strategies.ts"

/** Where an engine is, and how that was found out. */
export interface Endpoint {
  /** `unix:///var/run/docker.sock`, `tcp://host:2376`, ... */
  readonly host: string
  /** For people: `DOCKER_HOST is set`. */
  readonly source: string
  /** The folder that the docker client would take ca.pem, cert.pem and key.pem from. */
  readonly certificates?: string
}

/**
 * Finds the engine: the option, `CONTAINER_SANDBOX_DOCKER_HOST`, `DOCKER_HOST`, the current docker
 * context, then the well-known sockets, of which the first that answers is taken. What is named
 * explicitly wins even where nothing answers; a context that is named and is not there is an error.
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
    reason: `none of these gave an engine: ${tried.join(", ")}; set CONTAINER_SANDBOX_DOCKER_HOST`,
  })
})

/** The path of a local socket or pipe; anything else is for another package. */
export const socketPathOf = ({ host }: Endpoint): Effect.Effect<string, EngineUnreachable> => {
  const match = /^(?:unix|npipe):\/\/(.+)$/.exec(host)
  if (match?.[1] !== undefined) return Effect.succeed(match[1])
  const reason = /^(tcp|https?|ssh):\/\//.test(host)
    ? "@cordon/driver-docker reaches local sockets only; use @cordon/driver-docker-remote for it"
    : "it must look like unix:///var/run/docker.sock"
  // What could hold a password is not repeated.
  return Effect.fail(new EngineUnreachable({ endpoint: host.replace(/\/\/[^/@]*@/, "//"), reason }))
}
