/** Serves repositories over HTTP like a forge: git's own server program behind Basic authentication. */
import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type ServerResponse,
} from "node:http"
import { createServer as createHttpsServer } from "node:https"
import { join } from "node:path"
import { pipeline } from "node:stream/promises"

export interface GitServerOptions {
  /** A folder with bare repositories. */
  readonly root: string
  /** The user who may read everything below `/private/`. */
  readonly username: string
  readonly password: string
  /** Speaks TLS with this certificate. */
  readonly tls?: { readonly cert: string; readonly key: string }
  /** Gets each request first. If it returns true, it has answered the request. */
  readonly before?: (request: IncomingMessage, response: ServerResponse) => boolean
}

const backend = join(
  execFileSync("git", ["--exec-path"], { encoding: "utf8" }).trim(),
  "git-http-backend",
)

/** Hands a request to git's CGI program. */
const serve = async (root: string, request: IncomingMessage, response: ServerResponse) => {
  const url = new URL(request.url ?? "/", "http://localhost")
  const { headers } = request
  const child = spawn(backend, {
    stdio: ["pipe", "pipe", "ignore"],
    env: {
      PATH: process.env["PATH"],
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: "1",
      GIT_CONFIG_COUNT: "1",
      GIT_CONFIG_KEY_0: "safe.directory",
      GIT_CONFIG_VALUE_0: "*",
      REQUEST_METHOD: request.method,
      PATH_INFO: decodeURIComponent(url.pathname),
      QUERY_STRING: url.search.slice(1),
      CONTENT_TYPE: headers["content-type"],
      HTTP_CONTENT_ENCODING: headers["content-encoding"],
      GIT_PROTOCOL: String(headers["git-protocol"] ?? ""),
    },
  })
  response.on("close", () => child.kill())
  // A client that goes away early closes it.
  child.stdin.on("error", () => child.kill())
  request.pipe(child.stdin)
  let head = Buffer.alloc(0)
  for await (const piece of child.stdout.iterator({ destroyOnReturn: false })) {
    head = Buffer.concat([head, piece])
    const end = head.indexOf("\r\n\r\n")
    if (end === -1) continue
    for (const line of head.toString("latin1", 0, end).split("\r\n")) {
      const [name = "", value = ""] = line.split(/: */, 2)
      if (name === "Status") response.statusCode = Number.parseInt(value, 10)
      else response.setHeader(name, value)
    }
    response.write(head.subarray(end + 4))
    break
  }
  await pipeline(child.stdout, response)
}

/** Listens on all addresses, because sandboxes connect from their own networks. */
export const startGitServer = async (options: GitServerOptions) => {
  const allowed = `Basic ${Buffer.from(`${options.username}:${options.password}`).toString("base64")}`
  const handle = (request: IncomingMessage, response: ServerResponse) => {
    if (options.before?.(request, response)) return
    const open = !request.url?.startsWith("/private/")
    if (!open && request.headers.authorization !== allowed) {
      response.writeHead(401, { "WWW-Authenticate": 'Basic realm="git"' }).end()
      return
    }
    serve(options.root, request, response).catch(() => response.destroy())
  }
  const server =
    options.tls === undefined ? createHttpServer(handle) : createHttpsServer(options.tls, handle)
  server.listen(0, "0.0.0.0")
  await once(server, "listening")
  const address = server.address()
  return {
    port: typeof address === "object" && address !== null ? address.port : 0,
    close: async () => {
      server.close()
      server.closeAllConnections()
      await once(server, "close")
    },
  }
}
