// Writes the API reference to docs/api. Fails on any warning, and on a public name or member without a docstring.
import { readdirSync, readFileSync } from "node:fs"
import { join, relative } from "node:path"
import { Application, Converter, ReflectionKind, type TypeDocOptions } from "typedoc"
import type { PluginOptions } from "typedoc-plugin-markdown"
import { documented, undocumentedMembers } from "./members.ts"

const root = join(import.meta.dirname, "../..")

interface Exported {
  readonly name: string
  readonly exports: Readonly<Record<string, string | { readonly "@cordon/source": string }>>
}

/** Source files that programs import, with the name that they import them by. */
const entries = readdirSync(join(root, "packages")).flatMap((folder) => {
  const base = join(root, "packages", folder)
  const { name, exports }: Exported = JSON.parse(readFileSync(join(base, "package.json"), "utf8"))
  return Object.entries(exports).flatMap(([path, target]) =>
    typeof target === "string"
      ? []
      : [{ file: join(base, target["@cordon/source"]), name: name + path.slice(1) }],
  )
})
/** TypeDoc's name of a source file's module. */
const moduleOf = (file: string) => relative(root, file).replace(/(?:\/index)?\.ts$/, "")
const names = new Map(entries.map(({ file, name }) => [moduleOf(file), name]))

const options: Partial<TypeDocOptions & PluginOptions> = {
  plugin: ["typedoc-plugin-markdown"],
  tsconfig: join(import.meta.dirname, "tsconfig.json"),
  basePath: root,
  entryPoints: entries.map(({ file }) => file),
  out: join(root, "docs/api"),
  name: "Cordon",
  readme: "none",
  excludeExternals: true,
  excludePrivate: true,
  excludeInternal: true,
  disableSources: true,
  // A module's page then has the first sentence of each of its members.
  indexFormat: "table",
  hidePageHeader: true,
  // Helpers that a signature mentions but no program needs by name.
  validation: { notExported: false, invalidLink: true, notDocumented: false },
}
const app = await Application.bootstrapWithPlugins(options)
let undocumented = 0
// Declarations are known only while the project is converted.
app.converter.on(Converter.EVENT_RESOLVE_END, (context) => {
  for (const member of undocumentedMembers(context, root)) {
    undocumented += 1
    console.error(`${member} has no docstring`)
  }
})
const project = await app.convert()
if (project === undefined) process.exit(1)

for (const module of project.getChildrenByKind(ReflectionKind.Module)) {
  module.name = names.get(module.name) ?? module.name
  for (const [name, reflections] of Map.groupBy(module.children ?? [], ({ name }) => name)) {
    // A schema and the type of its values share a name and a docstring; re-exports have theirs elsewhere.
    if (reflections.some((one) => documented(one) || one.kindOf(ReflectionKind.Reference))) continue
    undocumented += 1
    console.error(`${module.name}: ${name} has no docstring`)
  }
}
app.validate(project)
if (undocumented > 0 || app.logger.hasErrors() || app.logger.hasWarnings()) {
  console.error(`${undocumented} public names and members have no docstring`)
  process.exit(1)
}
if (process.argv[2] !== "--check") await app.generateOutputs(project)
