import { execFileSync, spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { once } from "node:events"
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import type { IncomingMessage, ServerResponse } from "node:http"
import { createServer } from "node:https"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { makeAuthority } from "../support/certificates.ts"
import { portOf } from "../support/portOf.ts"
import { makeNpm, makePython } from "./registries.ts"

/** The keys of a private repository, private registries and an API. */
export const keys = {
  git: "ghp-of-the-repository-4711",
  packages: "apt-of-the-registry-4712",
  api: "sk-of-the-api-4713",
  npm: "npm-of-the-registry-4714",
  python: "pypi-of-the-index-4715",
} as const

const names = ["git.test", "packages.test", "api.test", "npm.test", "python.test", "unlisted.test"]
const basic = (user: string, key: string) =>
  `Basic ${Buffer.from(`${user}:${key}`).toString("base64")}`

const wanted = {
  "git.test": basic("x-access-token", keys.git),
  "packages.test": basic("reader", keys.packages),
  "api.test": `Bearer ${keys.api}`,
  "npm.test": `Bearer ${keys.npm}`,
  "python.test": basic("reader", keys.python),
} as const

/** A package for Debian that prints something, in a repository of its own. */
const makePackages = (folder: string) => {
  const root = join(folder, "package")
  mkdirSync(join(root, "DEBIAN"), { recursive: true })
  mkdirSync(join(root, "usr/bin"), { recursive: true })
  const control =
    "Package: private-tool\nVersion: 1.0\nArchitecture: all\nMaintainer: a <a@b.test>\nDescription: prints a line\n"
  writeFileSync(join(root, "DEBIAN/control"), control)
  writeFileSync(join(root, "usr/bin/private-tool"), "#!/bin/sh\necho from the registry\n", {
    mode: 0o755,
  })
  const file = join(folder, "private-tool.deb")
  execFileSync("dpkg-deb", ["--root-owner-group", "--build", root, file], { stdio: "pipe" })
  const bytes = readFileSync(file)
  const sum = createHash("sha256").update(bytes).digest("hex")
  const index = `${control}Filename: ./private-tool.deb\nSize: ${bytes.length}\nSHA256: ${sum}\n`
  return new Map([
    ["/Packages", Buffer.from(index)],
    ["/private-tool.deb", bytes],
  ])
}

const git = (folder: string, ...args: ReadonlyArray<string>) =>
  execFileSync("git", ["-c", "user.name=a", "-c", "user.email=a@b.test", ...args], {
    cwd: folder,
    stdio: "pipe",
  })

/** A repository that may be pushed to. */
const makeRepository = (folder: string) => {
  const source = join(folder, "source")
  mkdirSync(source)
  git(source, "init", "-q", "-b", "main")
  writeFileSync(join(source, "README"), "private\n")
  git(source, "add", ".")
  git(source, "commit", "-qm", "first")
  git(folder, "clone", "-q", "--bare", source, "app.git")
  git(join(folder, "app.git"), "config", "http.receivepack", "true")
}

/** Answers as git's own server does. */
const serveGit = (folder: string, request: IncomingMessage, response: ServerResponse) => {
  const [path = "", query = ""] = (request.url ?? "").split("?")
  const backend = spawn("git", ["http-backend"], {
    env: {
      ...process.env,
      GIT_PROJECT_ROOT: folder,
      GIT_HTTP_EXPORT_ALL: "1",
      REMOTE_USER: "somebody",
      PATH_INFO: path,
      QUERY_STRING: query,
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers["content-type"],
      HTTP_CONTENT_ENCODING: request.headers["content-encoding"],
      GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
    },
  })
  request.pipe(backend.stdin)
  const heard: Array<Buffer> = []
  backend.stdout.on("data", (bytes: Buffer) => heard.push(bytes))
  backend.once("close", () => {
    const all = Buffer.concat(heard)
    const end = all.indexOf("\r\n\r\n")
    for (const line of all.subarray(0, end).toString().split("\r\n")) {
      const [name = "", value = ""] = line.split(/: (.*)/)
      if (name === "Status") response.statusCode = Number.parseInt(value, 10)
      else response.setHeader(name, value)
    }
    response.end(all.subarray(end + 4))
  })
}

/** A private repository, private registries and an API on this machine, which want their keys. */
export const startServices = async () => {
  const folder = mkdtempSync(join(tmpdir(), "cordon-egress-"))
  makeRepository(folder)
  const packages = makePackages(folder)
  const python = makePython(folder)
  const npm = makeNpm(folder, () => `https://npm.test:${portOf(server)}`)
  const authority = makeAuthority("Services")
  const { cert, key } = authority.server(names.map((name) => `DNS:${name}`))
  const seen: Array<string> = []
  const authorizations: Array<string> = []
  const server = createServer({ cert, key }, (request, response) => {
    const [host = ""] = (request.headers.host ?? "").split(":")
    seen.push(`${request.method} ${host}${request.url}`)
    authorizations.push(`${host} ${request.headers.authorization}`)
    if (request.url === "/v1/elsewhere") {
      response.writeHead(302, { location: `https://python.test:${portOf(server)}/` }).end()
      return
    }
    const expected = Object.entries(wanted).find(([name]) => name === host)?.[1]
    if (expected === undefined || request.headers.authorization !== expected) {
      response.writeHead(401, { "www-authenticate": 'Basic realm="private"' }).end()
    } else if (host === "git.test") serveGit(folder, request, response)
    else if (host !== "api.test") {
      // apt asks for /./Packages.
      const path = (request.url ?? "").replace("/./", "/")
      const file =
        host === "npm.test" ? npm(path) : (host === "python.test" ? python : packages).get(path)
      const type = file !== undefined && path.endsWith("/") ? { "content-type": "text/html" } : {}
      response.writeHead(file === undefined ? 404 : 200, type).end(file)
    } else response.end(`answered with ${request.headers.authorization}\n`)
  }).listen(0, "127.0.0.1")
  await once(server, "listening")
  return {
    port: portOf(server),
    ca: authority.ca,
    hosts: Object.fromEntries(names.map((name) => [name, "127.0.0.1"])),
    seen,
    /** Hosts that were asked, each with the header that it was sent. */
    authorizations,
    /** What is in the repository now. */
    log: () =>
      git(join(folder, "app.git"), "log", "--format=%s", "main")
        .toString()
        .split("\n")
        .filter(Boolean),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, "close")
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
