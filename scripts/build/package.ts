import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import {
  type InputOptions,
  type OutputChunk,
  type OutputOptions,
  type Plugin,
  rolldown,
} from "rolldown"
import { notices } from "./notices.ts"

interface Manifest {
  readonly bin?: Readonly<Record<string, string>>
  readonly exports: Readonly<Record<string, string | { readonly "@cordon/source": string }>>
  readonly sideEffects: false | ReadonlyArray<string>
}

/** `./src/adapters/openai.ts` makes `dist/adapters/openai.js`: the name of its entry is `adapters/openai`. */
const entryName = (source: string) => source.replace(/^\.\/src\/(.*)\.ts$/, "$1")

/** The files of `src` that a program may load by themselves. */
const entriesOf = ({ exports, sideEffects }: Manifest) => [
  ...Object.values(exports).flatMap((entry) =>
    typeof entry === "string" ? [] : [entry["@cordon/source"]],
  ),
  // Modules with side effects stay files of their own, so that package.json can name them.
  ...(sideEffects === false ? [] : sideEffects.filter((path) => path.startsWith("./src/"))),
]

/** `import { Effect } from "effect"` loads all of effect. This plugin loads only the named modules. */
const namedModules: Plugin = {
  name: "named-modules-of-effect",
  renderChunk: (code) => ({
    code: code.replace(/^import \{ (.*) \} from "effect";$/gm, (_, names: string) =>
      names
        .split(", ")
        .map((part) => {
          const [name = "", local = name] = part.split(" as ")
          // Its main module has modules, and a few functions of one of them.
          return /^[A-Z]/.test(name)
            ? `import * as ${local} from "effect/${name}";`
            : `import { ${name} as ${local} } from "effect/Function";`
        })
        .join(" "),
    ),
    // All stays on its line.
    map: null,
  }),
}

const bundle = async (
  own: string,
  entries: ReadonlyArray<string>,
  options: InputOptions,
  made: OutputOptions,
): Promise<ReadonlyArray<OutputChunk>> => {
  await using bundled = await rolldown({
    input: Object.fromEntries(entries.map((entry) => [entryName(entry), join(own, entry)])),
    platform: "node",
    resolve: { conditionNames: ["@cordon/source", "node", "import"] },
    ...options,
  })
  const { output } = await bundled.write({ dir: join(own, "dist"), format: "esm", ...made })
  return output.filter((file) => file.type === "chunk")
}

/** Writes the JavaScript of a package into its `dist`. */
export const buildPackage = async (own: string): Promise<void> => {
  const manifest: Manifest = JSON.parse(readFileSync(join(own, "package.json"), "utf8"))
  const chunks = await bundle(
    own,
    entriesOf(manifest),
    { external: (id) => !/^[./]/.test(id), plugins: [namedModules] },
    { sourcemap: true, sourcemapExcludeSources: true },
  )
  // At the start of a line: an example in a comment may have one too.
  const whole = chunks.find(({ code }) => /^(?:im|ex)port .*from "effect"/m.test(code))
  if (whole !== undefined) throw new Error(`${own}/dist/${whole.fileName} loads all of effect`)
  if (manifest.bin === undefined) return
  const programs = Object.values(manifest.bin).map((path) =>
    path.replace("./dist/", "./src/").replace(/js$/, "ts"),
  )
  // Native parts of ssh2, which it does without.
  const inside = await bundle(
    own,
    programs,
    { external: /\.node$|^cpu-features$/ },
    { minify: true },
  )
  writeFileSync(join(own, "dist/THIRD-PARTY-LICENSES"), notices(inside))
}
