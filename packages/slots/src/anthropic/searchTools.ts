import { posix } from "node:path"
import type { BetaRunnableTool } from "@anthropic-ai/sdk/lib/tools/BetaRunnableTool"
import { ToolError } from "@anthropic-ai/sdk/lib/tools/ToolError"
import { Schema } from "effect"
import { type SessionSandbox, sessionTool } from "./sessionTool.ts"

const Input = Schema.Struct({
  pattern: Schema.NonEmptyString,
  path: Schema.optional(Schema.NonEmptyString),
})

// With an empty IFS the pattern stays one word, and expands only to names of files.
const globScript = `shopt -s globstar nullglob 2>/dev/null
cd -- "$CORDON_ROOT" || exit
IFS=
for f in $CORDON_PATTERN; do
  case "/$f" in */.git/*|*/node_modules/*) ;; *) [ ! -f "$f" ] || printf '%s\\0' "$PWD/$f" ;; esac
done | xargs -0 -r stat -c '%Y %n' -- | sort -rn | head -n 200 | cut -d' ' -f2-`

const text = { type: "string" }

/** The tools `glob` and `grep`, which search inside the sandbox. */
export const searchTools = (sandbox: SessionSandbox): Array<BetaRunnableTool<unknown>> => [
  sessionTool(
    "glob",
    "Match files under the workdir against a glob pattern. Results are mtime-sorted, newest first.",
    {
      pattern: text,
      path: { ...text, description: "Directory to search in. Defaults to the workdir." },
    },
    ["pattern"],
    Input,
    async ({ pattern, path = "." }, options) => {
      const own = await sandbox()
      const env = { CORDON_ROOT: await own.files.resolve(path, options), CORDON_PATTERN: pattern }
      const { stdout, stderr, exitCode } = await own.exec(globScript, { ...options, env })
      if (exitCode !== 0) throw new ToolError(`glob: ${stderr}`)
      return stdout === "" ? "no matches" : stdout.replace(/\n$/, "")
    },
  ),
  sessionTool(
    "grep",
    "Search file contents for a regex.",
    { pattern: text, path: text },
    ["pattern"],
    Input,
    async ({ pattern, path = "." }, options) => {
      const { files } = await sandbox()
      const { kind } = await files.stat(path, options)
      const place =
        kind === "directory"
          ? { path }
          : { path: posix.dirname(path), include: posix.basename(path) }
      const found = await files.search(pattern, { ...options, ...place, regex: true })
      const whole = await files.resolve(path, options)
      const lines = found.matches
        .filter((match) => kind === "directory" || match.path === posix.normalize(whole))
        .map((match) => `${match.path}:${match.line}:${match.text}`)
      if (found.truncated) lines.push("[there are more matches]")
      return lines.length === 0 ? "no matches" : lines.join("\n")
    },
  ),
]
