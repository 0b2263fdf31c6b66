// Serves the packages of this repository to npm on this machine, as they would be published.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { packAll } from "./install/pack.ts"
import { serveRegistry } from "./install/registry.ts"

const work = mkdtempSync(join(tmpdir(), "cordon-registry-"))
try {
  const tarballs = join(work, "tarballs")
  mkdirSync(tarballs)
  await using registry = await serveRegistry(await packAll(tarballs), work)
  console.log(`In another terminal:\n\n  export NPM_CONFIG_USERCONFIG=${registry.npmrc}\n`)
  console.log("Then npm and npx find @cordon there. Ctrl-C ends it.")
  await new Promise((resolve) => process.once("SIGINT", resolve).once("SIGTERM", resolve))
} finally {
  rmSync(work, { recursive: true })
}
