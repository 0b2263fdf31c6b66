import { execFileSync } from "node:child_process"
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { root } from "./blocks.ts"

/** What everybody can reach under the same name. */
const everybodys = new Set([
  "registry.npmjs.org",
  "deb.debian.org",
  "security.debian.org",
  "snapshot.debian.org",
  "archive.ubuntu.com",
  "security.ubuntu.com",
  "deb.nodesource.com",
  "download.docker.com",
  "apt.postgresql.org",
  "github.com",
  "proxy.golang.org",
  "pypi.org",
])

const hostOf = (text: string) => {
  try {
    return new URL(text.trim()).hostname
  } catch {
    return ""
  }
}

const ask = (program: string, ...args: ReadonlyArray<string>) => {
  try {
    return execFileSync(program, args, { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })
  } catch {
    return ""
  }
}

const aptSources = () => {
  const folder = "/etc/apt/sources.list.d"
  const more = existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : []
  const files = ["/etc/apt/sources.list", ...more].filter((file) => existsSync(file))
  return files.flatMap((file) => readFileSync(file, "utf8").match(/https?:\/\/\S+/g) ?? [])
}

/** Where this machine gets packages from, unless everybody gets them there. */
const ownHosts = () => {
  const registries = [
    ask("npm", "config", "get", "registry"),
    process.env["npm_config_registry"] ?? "",
    process.env["GOPROXY"] ?? "",
    process.env["PIP_INDEX_URL"] ?? "",
    ...aptSources(),
  ]
  const hosts = registries.flatMap((text) => text.split(/[,|\s]+/)).map(hostOf)
  return [...new Set(hosts)].filter((host) => host.includes(".") && !everybodys.has(host))
}

const tracked = () =>
  ask("git", "-C", root, "ls-files", "-z")
    .split("\0")
    .filter((path) => path !== "" && existsSync(join(root, path)))

describe("the repository", () => {
  it("names no registry that only the development machine reaches", () => {
    const hosts = ownHosts()
    const found = tracked().flatMap((path) => {
      const file = join(root, path)
      if (!statSync(file).isFile()) return []
      const text = readFileSync(file, "latin1")
      return hosts.filter((host) => text.includes(host)).map(() => path)
    })
    assert.deepStrictEqual(found, [])
  })

  it("has a lockfile without addresses of registries", () => {
    const lockfile = readFileSync(join(root, "pnpm-lock.yaml"), "utf8")
    const addresses = lockfile.match(/^.*(?:https?:\/\/|tarball:|registry:).*$/gm)
    assert.deepStrictEqual(addresses, null)
  })

  it("contains no .npmrc, which could name a registry", () => {
    const brought = tracked().filter((path) => /(?:^|\/)\.(?:npmrc|yarnrc\.yml|pypirc)$/.test(path))
    assert.deepStrictEqual(brought, [])
  })
})
