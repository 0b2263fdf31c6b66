import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { type Block, root } from "./blocks.ts"

/** The names that an example may use without declaring them, with their types. */
type Names = Readonly<Record<string, string>>

const promiseNames: Names = {
  sandbox: 'import("@cordon/core").PromiseSandbox',
  sandboxes: 'import("@cordon/core").PromiseSandboxes',
  toolset: 'import("@cordon/tools").PromiseToolset',
}

/** For examples with `yield*`. */
const effectNames: Names = {
  Console: 'typeof import("effect").Console',
  Sandboxes: 'typeof import("@cordon/core").Sandboxes',
  Effect: 'typeof import("effect").Effect',
  Stream: 'typeof import("effect").Stream',
  sandbox: 'import("@cordon/core").Sandbox',
  session: 'import("@cordon/core").SandboxSession',
}

/** For the examples of one package. */
const packageNames: Readonly<Record<string, Names>> = {
  cordon: {
    Sandbox: 'typeof import("cordon").Sandbox',
    box: 'import("cordon").Sandbox',
  },
  mcp: { server: 'import("@cordon/mcp").McpServer' },
  ports: { gateway: 'import("@cordon/ports").Gateway' },
}

/** The TypeScript files of packages, from the top of the repository. */
export const sources = async (): Promise<ReadonlyArray<string>> =>
  (await readdir(join(root, "packages"), { recursive: true }))
    .filter((name) => /^[^/]+\/src\/.*\.ts$/.test(name))
    .map((name) => join("packages", name))

const docstring = /^ *\/\*\*\n(?: *\*(?!\/).*\n)*? *\*\/$/gm

/** The `@example` blocks of a file's docstrings, with or without a code fence. */
export const examplesOf = (page: string, text: string): ReadonlyArray<Block> =>
  [...text.matchAll(docstring)].flatMap(({ 0: all, index }) => {
    const code = all.replaceAll(/^ *\*?(?:\/$| ?)/gm, "")
    return [...code.matchAll(/^@example\n(?:```ts\n)?((?:(?!@\w|```$).*\n)*)/gm)].map((match) => {
      const [example, body = ""] = match
      const before = text.slice(0, index) + code.slice(0, match.index + example.length)
      const line = before.split("\n").length - body.split("\n").length + 1
      return { page, line, language: "ts", code: body }
    })
  })

const importStatement = /^import [^"]*"[^"]*"$/gm
const mentions = (text: string, name: string) => new RegExp(`\\b${name}\\b`).test(text)

/**
 * An example as a module, its code on the lines where it stands. An example with `yield*` and no generator
 * of its own is the body of `Effect.gen`.
 */
export const moduleOf = (example: Block): Block => {
  const { page, code } = example
  const isEffect = code.includes("yield*")
  const imports = code.match(importStatement) ?? []
  const given = imports.map((one) => one.replace(/".*"/, "")).join(" ")
  const names = {
    ...(isEffect ? effectNames : promiseNames),
    ...packageNames[page.split("/")[1] ?? ""],
  }
  const declarations = Object.entries(names)
    .filter(([name]) => mentions(code, name) && !mentions(given, name))
    .map(([name, type]) => `declare const ${name}: ${type}`)
  const [open, close] =
    isEffect && !code.includes("function*")
      ? ['void import("effect").then(({ Effect }) => Effect.gen(function* () {', "}))"]
      : ["{", "}"]
  const head = [...imports.map((one) => one.replaceAll("\n", " ")), ...declarations, open]
  const body = code.replaceAll(importStatement, (one) => one.replaceAll(/[^\n]/g, ""))
  return { ...example, code: `${head.join(";")}${body}${close}\n` }
}

const faces = [
  /^export interface (Promise(?!Runtime)\w+|Sandbox|Gateway|SharedPort|McpServer)\b[\s\S]*?^\}$/gm,
  /^export const (Sandbox) = \{[\s\S]*?^\}$/gm,
]
const method = /^( {2}\/\*\*(?:.*|\n(?: {3}\*.*\n)*? {3})\*\/\n)? {2}(?:readonly )?(\w+): [(<]/gm

/** The methods of interfaces for programs without Effect, and whether they have an example. */
export const methodsOf = (text: string) =>
  faces
    .flatMap((face) => [...text.matchAll(face)])
    .flatMap(([face, name]) =>
      [...face.matchAll(method)].map(([, comment = "", member]) => ({
        name: `${name}.${member}`,
        hasExample: /^ *\* @example$/m.test(comment),
      })),
    )
