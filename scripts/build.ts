// Builds what is published: types by tsc; then, for each entry of a package, one file of JavaScript, with
// what entries share in others. A program that imports a package loads a few files then, and of effect
// only the modules that are used. The `cordon` command holds all that it needs.
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
