import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { type Packed, root } from "./pack.ts"

const page = join(root, "docs/sizes.md")

const sizeOf = (folder: string): number =>
  readdirSync(folder, { withFileTypes: true }).reduce((sum, entry) => {
    const path = join(folder, entry.name)
    return sum + (entry.isDirectory() ? sizeOf(path) : entry.isFile() ? statSync(path).size : 0)
  }, 0)

interface Locked {
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/** The folders of a package and all that it brings, as npm resolved them. */
const broughtBy = (
  path: string,
  packages: Readonly<Record<string, Locked>>,
  found = new Set<string>(),
): ReadonlySet<string> => {
  if (found.has(path)) return found
  found.add(path)
  const { dependencies, optionalDependencies } = packages[path] ?? {}
  for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
    // In the own folder first, then in that of each one around it.
    let around = path
    while (around !== "" && !(`${around}/node_modules/${name}` in packages)) {
      around = around.slice(0, Math.max(0, around.lastIndexOf("/node_modules/")))
    }
    const place = `${around}${around === "" ? "" : "/"}node_modules/${name}`
    if (place in packages) broughtBy(place, packages, found)
  }
  return found
}

const framework =
  /node_modules\/(?:ai|bash-tool|deepagents|openai|langchain|@(?:ai-sdk|anthropic-ai|langchain|mastra|openai)\/.*)$/

interface Size {
  readonly name: string
  /** The tarball, in kB. */
  readonly packed: number
  /** Other packages that come along. */
  readonly brings: number
  /** All of it on the disk, in MB. */
  readonly installed: number
}

/** The size of each package with its dependencies, without effect, which all need. */
export const weigh = (packed: ReadonlyArray<Packed>, folder: string): ReadonlyArray<Size> => {
  const { packages } = JSON.parse(readFileSync(join(folder, "package-lock.json"), "utf8"))
  return packed.map(({ name, file }) => {
    const brought = [...broughtBy(`node_modules/${name}`, packages)]
    const frameworks = brought.filter((path) => framework.test(path))
    if (frameworks.length > 0) throw new Error(`${name} brings ${frameworks.join(", ")}`)
    const nested = (path: string) => brought.some((other) => path.startsWith(`${other}/`))
    const installed = brought
      // npm leaves an optional one out that it can't build.
      .filter((path) => !nested(path) && existsSync(join(folder, path)))
      .reduce((sum, path) => sum + sizeOf(join(folder, path)), 0)
    const round = (value: number, digits: number) => Number(value.toFixed(digits))
    return {
      name,
      packed: round(statSync(file).size / 1000, 0),
      brings: brought.length - 1,
      installed: round(installed / 1e6, 1),
    }
  })
}

const rowOf = ({ name, packed, brings, installed }: Size) =>
  `| \`${name}\` | ${packed} kB | ${brings} | ${installed.toFixed(1)} MB |`

const row = /^\| `(\S+)` \| (\d+) kB \| (\d+) \| ([\d.]+) MB \|$/gm

/** The allowed growth beyond the sizes on the page, before somebody has to check. */
const budget = {
  packed: (told: number) => told * 1.25 + 10,
  brings: (told: number) => told * 1.1 + 2,
  installed: (told: number) => told * 1.25 + 0.5,
} as const

/** The sizes that exceed those on the page by more than the budget. */
export const outgrown = (sizes: ReadonlyArray<Size>, text: string): ReadonlyArray<string> => {
  const told = new Map<string, Size>(
    [...text.matchAll(row)].map(([, name = "", packed, brings, installed]) => [
      name,
      { name, packed: Number(packed), brings: Number(brings), installed: Number(installed) },
    ]),
  )
  return sizes.flatMap((size) => {
    const before = told.get(size.name)
    if (before === undefined) return [`${size.name} is not in the table`]
    return (["packed", "brings", "installed"] as const).flatMap((key) =>
      size[key] <= budget[key](before[key])
        ? []
        : [`${size.name}: ${key} ${before[key]} has become ${size[key]}`],
    )
  })
}

/** Holds the sizes against the page, or writes them there. */
export const checkSizes = (sizes: ReadonlyArray<Size>, update: boolean): void => {
  const text = readFileSync(page, "utf8")
  const rows = sizes.map(rowOf)
  console.log(rows.join("\n"))
  if (update) {
    const table = /(^\|(?:-+:?\|)+\n)(?:\|.*\n)*/m
    writeFileSync(
      page,
      text.replace(table, (_, head: string) => `${head}${rows.join("\n")}\n`),
    )
    return
  }
  const problems = outgrown(sizes, text)
  if (problems.length > 0) {
    throw new Error(
      `${problems.join("\n")}\nMake it smaller, or accept it: npm run install-check -- --update-sizes`,
    )
  }
}
