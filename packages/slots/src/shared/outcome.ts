import { type ExecResult, formatMemory, type PromiseSandbox } from "@cordon/core"

type Outcome = Pick<ExecResult, "timedOut" | "oomKilled" | "restarted" | "duration">

/**
 * Notes on how a sandbox intervened in a command, one per line: a framework's result has no fields
 * for them.
 */
const notesOf = (
  { timedOut, oomKilled, restarted, duration }: Outcome,
  { info: { limits } }: PromiseSandbox,
): ReadonlyArray<string> => [
  ...(timedOut ? [`Killed after ${Math.round(duration / 1000)} seconds: the time limit.`] : []),
  ...(oomKilled
    ? [`A process was killed at the sandbox's memory limit of ${formatMemory(limits.memory)}.`]
    : []),
  ...(restarted ? ["The sandbox was restarted; its background processes are gone."] : []),
]

/** The standard error of a command, with these notes at the end. */
export const explainedStderr = (
  result: Outcome & Pick<ExecResult, "stderr">,
  sandbox: PromiseSandbox,
): string => {
  const notes = notesOf(result, sandbox)
  if (notes.length === 0) return result.stderr
  const before = result.stderr === "" || result.stderr.endsWith("\n") ? "" : "\n"
  return `${result.stderr}${before}${notes.map((note) => `[${note}]\n`).join("")}`
}
