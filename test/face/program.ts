import { join } from "node:path"
import { runProgram as runFile } from "../support/program.ts"

/** Runs a program of `programs/` as a user runs one, to its end. */
export const runProgram = (name: string, ...args: ReadonlyArray<string>) =>
  // The time limit only ends what hangs.
  runFile(join(import.meta.dirname, "programs", `${name}.ts`), args, {
    timeout: 45_000,
    killSignal: "SIGKILL",
  })
