/** Notes on the shell that runs a sandbox's scripts. */
import type { Sandbox } from "@cordon/core"
import { Effect, Schema } from "effect"

/** The shell of a sandbox. */
export const Shell = Schema.Literals(["bash", "sh"])

/** Asks by running what only bash knows; undefined where nothing can be run. */
export const shellOf = (sandbox: Sandbox) =>
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a shell's variable
  sandbox.exec('echo "${BASH_VERSION:+bash}"', { cwd: "/", timeout: "10 seconds" }).pipe(
    Effect.map(({ exitCode, stdout }) =>
      exitCode === 0 ? (stdout === "bash\n" ? ("bash" as const) : ("sh" as const)) : undefined,
    ),
    Effect.orElseSucceed(() => undefined),
  )

// Bash syntax that sh silently reads in another way, or refuses with an unclear message.
const bashOnly: ReadonlyArray<readonly [pattern: RegExp, meaning: string]> = [
  [
    /(?<![<>&\d])&>|>&(?!\s*[\d$-])/,
    "&> runs the command in the background there; write > file 2>&1",
  ],
  [/\|&/, "|& is no pipe there; write 2>&1 |"],
  [/\[\[/, "[[ is no command there; write ["],
  [/[<>]\(/, "<( ) is refused there; write to a file first"],
  [/<<</, "<<< is refused there; use printf and a pipe"],
  [/\bset -\w*o pipefail\b/, "pipefail may be unknown there"],
  [/(?:^|[\s;&|])source\s/, "source is no command there; write ."],
  [/\{\w+\.\.\w+\}/, "{1..3} is plain text there; use seq"],
]

/** The note for a model whose bash script ran in a sandbox without bash. */
export const shellNote = Effect.fnUntraced(function* (sandbox: Sandbox, command: string) {
  const found = bashOnly.filter(([pattern]) => pattern.test(command))
  if (found.length === 0 || (yield* shellOf(sandbox)) !== "sh") return []
  const meanings = found.map(([, meaning]) => meaning).join(". ")
  return [
    `This sandbox has no bash: sh ran the command, and what it says may not be so. ${meanings}.`,
  ]
})
