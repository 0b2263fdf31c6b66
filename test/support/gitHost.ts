import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import type { IncomingMessage, ServerResponse } from "node:http"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { Effect } from "effect"
import { startGitServer } from "../../examples/gitServer.ts"
import { makeAuthority } from "./certificates.ts"

const username = "agent"
/** What of the password is the same however it is encoded. */
export const core = "s3cret7d1f"
export const password = `${core}/that nobody:keeps`
export const credentials = { username, password }

const git = (cwd: string, ...args: ReadonlyArray<string>) =>
  execFileSync("git", ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", ...args], {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  }).trim()

/** Makes a repository of commits, each with its files; a file with a commit's ID is a submodule. */
const makeRepository = (
  path: string,
  commits: ReadonlyArray<{
    readonly files?: Readonly<Record<string, string>>
    readonly submodule?: string
    readonly tag?: string
  }>,
) => {
  const work = mkdtempSync(join(tmpdir(), "cordon-repository-"))
  try {
    git(work, "init", "-q", "-b", "main")
    commits.forEach(({ files = {}, submodule, tag }, n) => {
      for (const [name, content] of Object.entries(files)) {
        mkdirSync(dirname(join(work, name)), { recursive: true })
        writeFileSync(join(work, name), content)
      }
      git(work, "add", "-A")
      if (submodule !== undefined) {
        git(work, "update-index", "--add", "--cacheinfo", `160000,${submodule},lib`)
      }
      git(work, "commit", "-q", "-m", `commit ${n + 1}`)
      if (tag !== undefined) git(work, "tag", tag)
    })
    if (commits.length > 0) git(work, "branch", "feature/x", "main~0")
    git(work, "clone", "-q", "--bare", work, path)
    return commits.length > 0 ? git(path, "rev-parse", "main") : ""
  } finally {
    rmSync(work, { recursive: true })
  }
}

const submodules = (url: string) => ({
  ".gitmodules": `[submodule "lib"]\n\tpath = lib\n\turl = ${url}\n`,
})

/** What a server was asked, and whether by somebody with credentials. */
interface Asked {
  readonly path: string
  readonly authorization: string | undefined
}

/**
 * Two forges with TLS certificates of an authority of their own, `git.test` and `other.test`. Both let
 * in whom the credentials are for, so that credentials which go where they must not would be of use.
 */
export const gitHost = Effect.acquireRelease(
  Effect.promise(async () => {
    const root = mkdtempSync(join(tmpdir(), "cordon-forge-"))
    const authority = makeAuthority("Cordon test forges")
    const asked: { readonly [host in "git" | "other"]: Array<Asked> } = { git: [], other: [] }
    const note = (host: "git" | "other", request: IncomingMessage) =>
      asked[host].push({
        path: request.url ?? "",
        authorization: request.headers.authorization,
      })
    const other = await startGitServer({
      root,
      ...credentials,
      tls: authority.server(["DNS:other.test"]),
      before: (request) => {
        note("other", request)
        return false
      },
    })
    const elsewhere = `https://other.test:${other.port}`
    const before = (request: IncomingMessage, response: ServerResponse) => {
      note("git", request)
      const path = request.url ?? ""
      if (path.startsWith("/private/moved.git/")) {
        if (request.headers.authorization === undefined) return false
        const location = `${elsewhere}${path.replace("moved", "project")}`
        response.writeHead(302, { Location: location }).end()
        return true
      }
      // The head of an answer, and nothing more.
      if (path.startsWith("/private/stuck.git/")) {
        request.url = path.replace("stuck", "project")
        if (request.method !== "POST") return false
        response.writeHead(200, { "Content-Type": "application/x-git-upload-pack-result" })
        response.flushHeaders()
        return true
      }
      if (path.startsWith("/private/rude.git/")) {
        response.writeHead(500, { "Content-Type": "text/plain" })
        response.end(`you are ${password}\x1b[31m`)
        return true
      }
      return false
    }
    const server = await startGitServer({
      root,
      ...credentials,
      tls: authority.server(["DNS:git.test"]),
      before,
    })
    const url = `https://git.test:${server.port}`
    const commit = makeRepository(join(root, "private/project.git"), [
      { files: { "README.md": "one\n", "src/-n": "dash\n" }, tag: "v1" },
      { files: { "README.md": "one\ntwo\n", ".hidden": "dot\n", "..odd": "dots\n" } },
    ])
    makeRepository(join(root, "public/project.git"), [{ files: { open: "to all\n" } }])
    makeRepository(join(root, "private/empty.git"), [])
    const withLib = (name: string, lib: string) =>
      makeRepository(join(root, `private/${name}.git`), [
        { files: { own: "here\n", ...submodules(lib) }, submodule: commit },
      ])
    withLib("near", "../project.git")
    withLib("far", `${elsewhere}/private/project.git`)
    withLib("command", "ext::sh -c touch% /tmp/ran% ''")
    return { root, url, ca: authority.ca, asked, commit, servers: [server, other] }
  }),
  ({ root, servers }) =>
    Effect.promise(async () => {
      for (const server of servers) await server.close()
      rmSync(root, { recursive: true })
    }),
)

/** What can run commands as a sandbox does. */
interface Runs<E> {
  readonly run: (
    command: string,
    options?: { readonly user: string; readonly stdin: string },
  ) => Effect.Effect<{ readonly stdout: string }, E>
}

/** Where a sandbox's network leads out: this machine, where its engine runs on it. */
const wayOut = Effect.fnUntraced(function* <E>(sandbox: Runs<E>) {
  const { stdout } = yield* sandbox.run("cat /proc/net/route")
  const gateway = /^\S+\t00000000\t([0-9A-F]{8})\t/m.exec(stdout)?.[1] ?? ""
  return [...Buffer.from(gateway, "hex")].reverse().join(".")
})

/**
 * Lets a sandbox find the forges.
 * @param at this machine's address as the sandbox reaches it; by default where its network leads out
 */
export const introduce = Effect.fnUntraced(function* <E>(
  sandbox: Runs<E>,
  ca: string,
  at?: string,
) {
  const address = at ?? (yield* wayOut(sandbox))
  yield* sandbox.run(
    `echo '${address} git.test other.test' >>/etc/hosts && mkdir -p /etc/ssl/certs && cat >>/etc/ssl/certs/ca-certificates.crt`,
    { user: "0", stdin: ca },
  )
})
