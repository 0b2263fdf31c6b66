// Packs each package as it would be published and checks the tarballs: what they export resolves,
// has types, and is what package.json says (publint, are-the-types-wrong).
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { packAll, root, run } from "./install/pack.ts"

const destination = mkdtempSync(join(tmpdir(), "cordon-pack-"))

try {
  for (const { name, file } of await packAll(destination)) {
    try {
      await run("pnpm", ["exec", "publint", "run", "--strict", file], root)
      // We are ESM only: that CommonJS on old Node can't load us is not a fault.
      await run("pnpm", ["exec", "attw", file, "--profile", "esm-only"], root)
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
