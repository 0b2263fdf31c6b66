import type { PromiseSandbox, PromiseSandboxes } from "@cordon/core"
import { type Call, fixed, type Script } from "../frameworks/script.ts"
import { serve } from "../support/serve.ts"

/** A framework with its own agent loop, whose place for a sandbox is filled with one of ours. */
export interface Slot {
  readonly name: string
  /** Why it does not run on the memory driver. */
  readonly notInMemory?: string
  /** Calls of the framework's own tools, or of those that a program gives it. */
  readonly calls: {
    readonly write: (path: string, content: string) => Call
    /** Runs a command to its end; `reads` is some of what it writes. */
    readonly exec: (command: string, reads: string) => Call
    /** Starts a command that goes on. */
    readonly start: (command: string) => Call
  }
  /** The loop, with a model that plays the script: what it says in the end. */
  readonly run: (
    sandbox: PromiseSandbox,
    script: Script,
    signal: AbortSignal,
    sandboxes: PromiseSandboxes,
  ) => Promise<string>
}

/** Finds some text in a result, however the framework words it. */
export const reading = (text: string) => new RegExp(text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&"))

const wrong = fixed.replace("+", "-")
const check = `#!/bin/sh
got=$(printf "2\\n3\\n" | sh src/sum.sh)
[ "$got" = 5 ] || { echo "expected 5, got $got" >&2; exit 1; }
echo passed
`

/** Writes a program, runs its failing test, and mends it. */
export const coding = ({ calls }: Slot): Script => ({
  turns: [
    [calls.write("src/sum.sh", wrong)],
    [calls.write("src/check.sh", check)],
    [calls.exec("sh src/check.sh", "expected 5, got -5")],
    [calls.write("src/sum.sh", fixed)],
    [calls.exec("sh src/check.sh", "passed")],
  ],
  text: "sum.sh adds up; its test passes.",
})

/** Starts a server on port 8000 of loopback. */
export const serving = ({ calls }: Slot): Script => ({
  turns: [
    [calls.write("index.html", "from inside")],
    [calls.write("serve.sh", serve)],
    [calls.start("sh serve.sh")],
  ],
  text: "It serves.",
})

/** Runs a command that does not end by itself. */
export const endless = ({ calls }: Slot): Script => ({
  turns: [[calls.exec("echo yes > started; sleep 600", "never")]],
  text: "never said",
})

/** What another process does with what `coding` left. */
export const resumed = ({ calls }: Slot): Script => ({
  turns: [[calls.exec("sh src/check.sh", "passed")]],
  text: "It still passes.",
})
