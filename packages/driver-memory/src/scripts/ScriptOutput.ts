import { ExecEvent } from "@cordon/core"
import type { ExecResult } from "just-bash"
import { outputBytes } from "./bytes.ts"

// Bytes that one command may print.
const mostOutput = 64 * 1024 * 1024

/** What a script has printed, in the order in which it came. */
export class ScriptOutput {
  readonly events: Array<ExecEvent> = []
  #size = 0

  push(kind: "Stdout" | "Stderr", bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#size += bytes.length
    if (this.#size > mostOutput) throw new Error("ENOSPC: the command prints too much")
    this.events.push(ExecEvent[kind]({ bytes }))
  }

  /** Adds what the interpreter gave back at the end of a script. */
  pushRest({ stdout, stderr }: Pick<ExecResult, "stdout" | "stderr">): void {
    this.push("Stdout", outputBytes(stdout))
    this.push("Stderr", outputBytes(stderr))
  }
}
