// Builds the published packages: types by tsc, then one JavaScript file for each entry of a
// package, with shared code in further files. So a program that imports a package loads only a few
// files, and only the modules of effect that are used. The `cordon` command contains everything
// that it needs.
import { readdirSync, rmSync } from "node:fs"
import { join } from "node:path"
import { buildPackage } from "./build/package.ts"
import { root, run } from "./install/pack.ts"

await run("pnpm", ["exec", "tsc", "-b"], root)
for (const folder of readdirSync(join(root, "packages"))) {
  const own = join(root, "packages", folder)
  for (const file of readdirSync(join(own, "dist"), { recursive: true, encoding: "utf8" })) {
    if (/\.js(\.map)?$/.test(file)) rmSync(join(own, "dist", file))
  }
  await buildPackage(own)
}
