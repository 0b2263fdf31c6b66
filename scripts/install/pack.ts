import { execFile } from "node:child_process"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { promisify } from "node:util"

export const root = join(import.meta.dirname, "../..")

/** Runs a program and returns its output. A failure includes the whole output. */
export const run = async (
  program: string,
  args: ReadonlyArray<string>,
  cwd: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<string> => {
  const options = { cwd, env, encoding: "utf8", maxBuffer: 64 << 20 } as const
  try {
    return (await promisify(execFile)(program, args, options)).stdout
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const stdout = "stdout" in error ? error.stdout : ""
    // The message holds standard error.
    throw new Error(`${error.message}\n${stdout}`, { cause: error })
  }
}

/** A package as it would be published. */
export interface Packed {
  readonly name: string
  readonly version: string
  readonly file: string
  /** The packed `package.json`. */
  readonly manifest: Readonly<Record<string, unknown>>
}

/** Builds each package that would be published, and packs it into a folder. */
export const packAll = async (destination: string): Promise<ReadonlyArray<Packed>> => {
  await run("node", ["scripts/build.ts"], root)
  const packed: Array<Packed> = []
  for (const folder of readdirSync(join(root, "packages"))) {
    const own = join(root, "packages", folder)
    const { name, version } = JSON.parse(readFileSync(join(own, "package.json"), "utf8"))
    await run("pnpm", ["pack", "--pack-destination", destination], own)
    const file = join(destination, `${name.replace("@", "").replace("/", "-")}-${version}.tgz`)
    const manifest = JSON.parse(await run("tar", ["-xzOf", file, "package/package.json"], own))
    packed.push({ name, version, file, manifest })
  }
  return packed
}
