import { fileURLToPath } from "node:url"
import { Effect, FileSystem, Path } from "effect"
import { manifest, packageFolder } from "../manifest.ts"

/** The available templates: a folder of `templates` each, and its packages besides the driver. */
export const templates = {
  plain: ["@cordon/core", "@cordon/driver-docker", "effect"],
  "ai-sdk": ["@cordon/core", "@cordon/driver-docker", "@cordon/tools", "ai", "effect"],
  effect: ["@cordon/core", "@cordon/driver-docker", "effect"],
} as const
export type Template = keyof typeof templates

/** The range of compatible versions for this version of the command. */
const versionOf = (name: string): string => {
  if (name.startsWith("@cordon/")) return `^${manifest.version}`
  const version = manifest.peerDependencies[name] ?? manifest.devDependencies[name]
  if (version === undefined) throw new Error(`package.json of the command knows no ${name}`)
  return version
}

const versions = (names: ReadonlyArray<string>) =>
  Object.fromEntries(names.map((name) => [name, versionOf(name)]))

/** A valid npm package name, from a folder's name. */
export const packageName = (folder: string): string =>
  folder
    .toLowerCase()
    .replace(/[^a-z0-9._~-]+/g, "-")
    .replace(/^[._~-]+|-+$/g, "")
    .slice(0, 214) || "starter"

const packageJson = (name: string, template: Template) => ({
  name,
  version: "0.0.0",
  private: true,
  type: "module",
  engines: { node: ">=22.19" },
  scripts: { start: "tsc && node dist/main.js" },
  dependencies: versions(templates[template]),
  devDependencies: versions(["@types/node", "typescript"]),
})

/** All files of a starter: their paths below its folder, and their content. */
export const starterFiles = Effect.fnUntraced(function* (name: string, template: Template) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const files = new Map([
    ["package.json", `${JSON.stringify(packageJson(packageName(name), template), null, 2)}\n`],
  ])
  for (const part of ["common", template]) {
    const folder = fileURLToPath(new URL(`templates/${part}`, packageFolder))
    for (const entry of yield* fs.readDirectory(folder, { recursive: true })) {
      const from = path.join(folder, entry)
      if ((yield* fs.stat(from)).type !== "File") continue
      // npm leaves a `.gitignore` out of packages.
      files.set(entry === "gitignore" ? ".gitignore" : entry, yield* fs.readFileString(from))
    }
  }
  return files
})
