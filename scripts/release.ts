// Publishes what `changeset version` prepared. Provenance needs each package to name the repository that
// it is published from: where one does not, it is written there, to be committed first.
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { root, run } from "./install/pack.ts"
import { repositoryOf } from "./install/repository.ts"

const remote = await run("git", ["remote", "get-url", "origin"], root).catch(() => "")
const url = repositoryOf(remote.trim())
if (url === undefined) {
  throw new Error(
    `The packages are published from a repository on a public host, but git's remote "origin" is ${JSON.stringify(remote.trim())}. Set it: git remote add origin https://...`,
  )
}

const changed = readdirSync(join(root, "packages")).filter((folder) => {
  const file = join(root, "packages", folder, "package.json")
  const { repository: before, ...manifest } = JSON.parse(readFileSync(file, "utf8"))
  const repository = { type: "git", url, directory: `packages/${folder}` }
  if (JSON.stringify(before) === JSON.stringify(repository)) return false
  const entries = Object.entries(manifest).flatMap(([key, value]) =>
    key === "license"
      ? [
          [key, value],
          ["repository", repository],
        ]
      : [[key, value]],
  )
  writeFileSync(file, `${JSON.stringify(Object.fromEntries(entries), null, 2)}\n`)
  return true
})
if (changed.length > 0) {
  throw new Error(
    `${changed.join(", ")} did not name ${url}. They do now: commit that, and release.`,
  )
}
await run("pnpm", ["run", "run:check"], root)
console.log(await run("pnpm", ["exec", "changeset", "publish"], root))
