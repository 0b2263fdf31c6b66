// Packs each package as it would be published and checks the tarballs: the exports resolve, have
// types, and match package.json (publint, are-the-types-wrong), and the README links to no file
// outside the package.
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { deadLinks } from "./install/links.ts"
import { packAll, root, run } from "./install/pack.ts"

/** Fails if the packed README links to a file that is not in the package. */
const checkReadme = async (tarball: string) => {
  const list = await run("tar", ["-tzf", tarball], root)
  const files = new Set(list.split("\n").map((path) => path.replace(/^package\//, "")))
  const text = await run("tar", ["-xzOf", tarball, "package/README.md"], root)
  const dead = deadLinks("README.md", text, files)
  if (dead.length > 0) throw new Error(`README.md has dead links: ${dead.join(", ")}`)
}

/**
 * Fails if the package brings an `effect` of its own: services and errors of one copy are unknown to
 * another.
 */
const checkEffect = async (tarball: string) => {
  const text = await run("tar", ["-xzOf", tarball, "package/package.json"], root)
  const { dependencies = {}, peerDependencies = {} } = JSON.parse(text)
  if ("effect" in dependencies || !("effect" in peerDependencies)) {
    throw new Error("effect must be a peer dependency, and no other dependency")
  }
}

const destination = mkdtempSync(join(tmpdir(), "cordon-pack-"))

try {
  for (const { name, file } of await packAll(destination)) {
    try {
      await run("pnpm", ["exec", "publint", "run", "--strict", file], root)
      // We are ESM only: that CommonJS on old Node can't load us is not a fault.
      await run("pnpm", ["exec", "attw", file, "--profile", "esm-only"], root)
      await checkReadme(file)
      await checkEffect(file)
      console.log(`ok ${name}`)
    } catch (error) {
      process.exitCode = 1
      console.error(`not ok ${name}`)
      console.error(error instanceof Error ? error.message : error)
    }
  }
} finally {
  rmSync(destination, { recursive: true })
}
