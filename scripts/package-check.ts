// Packs every package as it would be published and checks the tarballs: what they export resolves,
// has types, and is what package.json says (publint, are-the-types-wrong).
import { execFileSync } from "node:child_process"
import { mkdtempSync, readdirSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

const packages = join(import.meta.dirname, "..", "packages")
const destination = mkdtempSync(join(tmpdir(), "cordon-pack-"))
const run = (program: string, args: ReadonlyArray<string>, cwd: string) =>
  execFileSync(program, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] })

try {
  for (const name of readdirSync(packages)) {
    run("pnpm", ["pack", "--pack-destination", destination], join(packages, name))
  }
  for (const tarball of readdirSync(destination)) {
    const file = join(destination, tarball)
    try {
      run("pnpm", ["exec", "publint", "run", "--strict", file], packages)
      // We are ESM only: that CommonJS on old Node can't load us is not a fault.
      run("pnpm", ["exec", "attw", file, "--profile", "esm-only"], packages)
      console.log(`ok ${tarball}`)
    } catch (error) {
      process.exitCode = 1
      console.error(`not ok ${tarball}`)
      if (error instanceof Error && "stdout" in error) console.error(String(error.stdout))
    }
  }
} finally {
  rmSync(destination, { recursive: true })
}
