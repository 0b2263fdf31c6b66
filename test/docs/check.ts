import { execFile } from "node:child_process"
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { type Block, root } from "./blocks.ts"

interface Ended {
  readonly code: number
  readonly output: string
}

/** Runs a program to its end; both outputs together, as a reader sees them. */
export const ended = (
  program: string,
  args: ReadonlyArray<string>,
  cwd: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Ended> =>
  new Promise((resolve) => {
    execFile(program, args, { cwd, env, maxBuffer: 16 << 20 }, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1
      resolve({ code, output: stdout + stderr })
    })
  })

/** Uses a folder outside of the repository in which its packages resolve. */
export const withFolder = async <A>(use: (folder: string) => Promise<A>): Promise<A> => {
  const folder = await mkdtemp(join(tmpdir(), "cordon-docs-"))
  try {
    await symlink(join(root, "node_modules"), join(folder, "node_modules"))
    await writeFile(join(folder, "package.json"), '{ "type": "module" }')
    return await use(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
}

/** Compiles all blocks, each as a module of its own; what is wrong, as `page:line: message`. */
export const compile = (blocks: ReadonlyArray<Block>): Promise<ReadonlyArray<string>> =>
  withFolder(async (folder) => {
    await writeFile(
      join(folder, "tsconfig.json"),
      JSON.stringify({
        extends: join(root, "tsconfig.base.json"),
        compilerOptions: {
          noEmit: true,
          composite: false,
          declaration: false,
          emitDeclarationOnly: false,
          declarationMap: false,
          // A block may end with what the reader goes on with.
          noUnusedLocals: false,
          typeRoots: [join(root, "node_modules/@types")],
        },
        include: ["blocks"],
      }),
    )
    await mkdir(join(folder, "blocks"))
    for (const [index, { line, code }] of blocks.entries()) {
      // Lines count as in the page; `export` makes it a module whatever it holds.
      const text = `${"\n".repeat(line - 1)}${code}export {}\n`
      await writeFile(join(folder, "blocks", `${index}.ts`), text)
    }
    const tsc = join(root, "node_modules/.bin/tsc")
    const { code, output } = await ended(tsc, ["--pretty", "false", "-p", "."], folder)
    const errors = [...output.matchAll(/^blocks\/(\d+)\.ts\((\d+),\d+\): (.*)$/gm)].map(
      ([, index, line, message]) => `${blocks[Number(index)]?.page}:${line}: ${message}`,
    )
    if (code !== 0 && errors.length === 0) throw new Error(output)
    return errors
  })

/** Why a block of commands does not do what it says; undefined if it does. */
const runCommands = async ({ comment, code }: Block): Promise<string | undefined> => {
  const run = (folder: string) => ended("sh", ["-euc", code], folder)
  const result =
    comment === "run in the repository"
      ? await run(root)
      : await withFolder((folder) => run(folder))
  return result.code === 0 ? undefined : `exit code ${result.code}\n${result.output}`
}

/** What is wrong with a block, which is run or parsed where it can be. */
const problemOf = async (block: Block): Promise<string | undefined> => {
  if (block.language === "json") {
    try {
      JSON.parse(block.code)
      return undefined
    } catch (error) {
      return String(error)
    }
  }
  const file = /^run by (\S+)$/.exec(block.comment ?? "")?.[1]
  if (file !== undefined) {
    const text = await readFile(join(root, file), "utf8")
    const commands = block.code.split("\n").map((line) => line.replace(/ +#.*/, ""))
    const missing = commands.filter((command) => !text.includes(command))
    return missing.length === 0 ? undefined : `${file} does not run ${missing.join(", ")}`
  }
  const because = /^not run: (.*)$/.exec(block.comment ?? "")?.[1]
  if (because === undefined) return runCommands(block)
  if (because.split(" ").length < 4) return "the reason for not running it says too little"
  const { code, output } = await ended("sh", ["-nc", block.code], root)
  return code === 0 ? undefined : output
}

/** What is wrong with blocks of commands and JSON, as `page:line: problem`. */
export const problems = async (blocks: ReadonlyArray<Block>): Promise<ReadonlyArray<string>> => {
  const found: Array<string> = []
  for (const block of blocks) {
    const problem = await problemOf(block)
    if (problem !== undefined) found.push(`${block.page}:${block.line}: ${problem}`)
  }
  return found
}
