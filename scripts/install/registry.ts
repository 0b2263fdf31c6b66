import { createHash } from "node:crypto"
import { once } from "node:events"
import { createReadStream, existsSync, readFileSync, writeFileSync } from "node:fs"
import { createServer } from "node:http"
import { basename, join } from "node:path"
import type { Packed } from "./pack.ts"
import { run } from "./pack.ts"

export interface Registry extends AsyncDisposable {
  /** An npmrc for NPM_CONFIG_USERCONFIG: ours from here, all else from where it always is. */
  readonly npmrc: string
}

/** Serves packed packages to npm on this machine, as the registry would. */
export const serveRegistry = async (
  packages: ReadonlyArray<Packed>,
  folder: string,
): Promise<Registry> => {
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://registry").pathname)
    const tarball = packages.find(({ file }) => path === `/-/${basename(file)}`)
    if (tarball !== undefined) return createReadStream(tarball.file).pipe(response)
    const found = packages.find(({ name }) => path === `/${name}`)
    if (found === undefined) return response.writeHead(404).end("{}")
    const { name, version, file, manifest } = found
    const dist = {
      tarball: `${address()}/-/${basename(file)}`,
      integrity: `sha512-${createHash("sha512").update(readFileSync(file)).digest("base64")}`,
    }
    const versions = { [version]: { ...manifest, dist } }
    response.setHeader("content-type", "application/json")
    return response.end(JSON.stringify({ name, "dist-tags": { latest: version }, versions }))
  })
  const address = () => {
    const bound = server.address()
    return `http://127.0.0.1:${typeof bound === "object" && bound !== null ? bound.port : 0}`
  }
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  const userconfig = (await run("npm", ["config", "get", "userconfig"], folder)).trim()
  const usual = existsSync(userconfig) ? readFileSync(userconfig, "utf8") : ""
  const npmrc = join(folder, "npmrc")
  // A cache of its own: the usual one may hold our packages as they were, under the same version.
  const ours = [`@cordon:registry=${address()}/`, `cache=${join(folder, "cache")}`]
  writeFileSync(npmrc, [usual, ...ours, ""].join("\n"), { mode: 0o600 })
  return {
    npmrc,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
      await once(server, "close")
    },
  }
}
