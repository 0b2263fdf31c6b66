import { type SpawnOptionsWithoutStdio, spawn } from "node:child_process"

/** How a program ended, and all that it wrote. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Starts a TypeScript file with Node as a user does; it finds the packages' sources. */
export const startProgram = (
  file: string,
  args: ReadonlyArray<string>,
  options: SpawnOptionsWithoutStdio = {},
) => {
  const child = spawn(process.execPath, ["--conditions=@cordon/source", file, ...args], options)
  let stdout = ""
  let stderr = ""
  child.stdout.on("data", (chunk) => {
    stdout += chunk
  })
  child.stderr.on("data", (chunk) => {
    stderr += chunk
  })
  const ended = new Promise<Ended>((resolve) =>
    child.once("close", (code) => resolve({ code, stdout, stderr })),
  )
  // A program that has ended takes no input.
  child.stdin.on("error", () => {})
  return { child, ended, stdout: () => stdout }
}

/** Runs a TypeScript file to its end, with `stdin` as its whole input. */
export const runProgram = (
  file: string,
  args: ReadonlyArray<string>,
  { stdin = "", ...options }: SpawnOptionsWithoutStdio & { readonly stdin?: string } = {},
): Promise<Ended> => {
  const { child, ended } = startProgram(file, args, options)
  child.stdin.end(stdin)
  return ended
}
